import { expect, test } from 'vitest'
import { ClusterMap } from '../../src/connect/kafka/client/cluster-map.ts'
import { CODE } from '../../src/connect/kafka/wire/protocol.ts'

/** A broker's answer about topic `t`, which broker 1 leads. */
function told(id: string | null, partitions: number, leaderEpoch = 1) {
  return {
    nodes: [{ nodeId: 1, host: 'h', port: 1, rack: null }],
    controllerId: 1,
    topics: [
      {
        ...{ topic: 't', code: CODE.NONE, id, operations: 0 },
        partitions: Array.from({ length: partitions }, (_, partition) => {
          return { partition, leader: 1, leaderEpoch, code: CODE.NONE }
        }),
      },
    ],
  }
}

test('the partitions of a topic do not get fewer, unless it was created again', () => {
  const map = new ClusterMap()
  map.update(told('one', 6))
  map.update(told('one', 4))
  expect(map.partitionsOf('t')).toEqual([0, 1, 2, 3, 4, 5])
  for (let times = 0; times < 2; times++) map.update(told('another', 2))
  expect(map.partitionsOf('t')).toEqual([0, 1])
})

test('a broker that has not heard of the newest leader is no news', () => {
  const map = new ClusterMap()
  map.update(told('one', 1, 7))
  map.update(told('one', 1, 6))
  const of = { topic: 't', partition: 0 }
  expect([map.leaderOf(of), map.leaderEpochOf(of)]).toEqual(['1', 7])
})

test('that a topic was created again is believed when it is told twice in a row', () => {
  const map = new ClusterMap()
  map.update(told('one', 1))
  map.update(told('another', 1))
  map.update(told('one', 1))
  map.update(told('another', 1))
  expect(map.idOf('t')).toBe('one')
  map.update(told('another', 1))
  expect(map.idOf('t')).toBe('another')
})
