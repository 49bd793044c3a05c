import { describe, expect, test } from 'vitest'
import { type Request, requestsOf, unanswered } from '../../src/records/kafka/requests.ts'
import type { NewRecord, TopicInfo } from '../../src/records/port.ts'
import { record } from './listener.ts'

function topics(...infos: [name: string, partitions: number, maxMessageBytes?: number][]) {
  return new Map(
    infos.map(([name, partitions, maxMessageBytes = 1_048_588]) => {
      const info: TopicInfo = {
        name,
        partitions,
        maxMessageBytes,
        timestampType: 'CreateTime',
        timestampAfterMaxMs: null,
        isCompacted: false,
      }
      return [name, info]
    }),
  )
}

function requests(records: NewRecord[], known: ReadonlyMap<string, TopicInfo>): Request[] {
  return [...requestsOf(records, known)]
}

function valuesOf(cut: Request[], topic: string, partition: number): string[] {
  return cut
    .flat()
    .filter((t) => t.topic === topic)
    .flatMap((t) => t.messages)
    .filter((m) => m.partition === partition)
    .map((m) => String(m.value))
}

describe('produce requests', () => {
  test('a partition has at most 1,000 records in a request, and keeps their order', () => {
    const records = Array.from({ length: 2_500 }, (_, i) =>
      record('t', { partition: i % 2, value: Buffer.from(`${i}`) }),
    )
    const cut = requests(records, topics(['t', 2]))
    expect(cut.map((r) => r.flatMap((t) => t.messages).length)).toEqual([2_000, 500])
    expect(valuesOf(cut, 't', 1)).toEqual(
      records.filter((r) => r.partition === 1).map((r) => String(r.value)),
    )
  })

  test("a partition's share stays below the topic's limit; one record over it goes alone", () => {
    const big = (bytes: number) => record('t', { value: Buffer.alloc(bytes) })
    const cut = requests([big(400), big(400), big(5_000), big(400)], topics(['t', 1, 1_100]))
    expect(cut.map((r) => r[0]?.messages.map((m) => m.value?.length))).toEqual([
      [400, 400],
      [5_000],
      [400],
    ])
  })

  test('records of several topics travel together', () => {
    const cut = requests([record('a'), record('b'), record('a')], topics(['a', 1], ['b', 1]))
    expect(cut).toHaveLength(1)
    expect(cut[0]?.map((t) => [t.topic, t.messages.length])).toEqual([
      ['a', 2],
      ['b', 1],
    ])
  })

  test('no request is far larger than 8 MB', () => {
    const records = Array.from({ length: 40 }, (_, i) =>
      record('t', { partition: i, value: Buffer.alloc(900_000) }),
    )
    const sizes = requests(records, topics(['t', 40])).map(
      (r) => r.flatMap((t) => t.messages).length,
    )
    expect(sizes).toEqual([8, 8, 8, 8, 8])
  })

  test('a partition that no broker answered for is found', () => {
    const [request = []] = requests(
      [record('a'), record('a', { partition: 1 }), record('b')],
      topics(['a', 2], ['b', 1]),
    )
    const answer = (topicName: string, partition: number) => ({
      topicName,
      partition,
      errorCode: 0,
    })
    expect(unanswered(request, [answer('a', 0), answer('b', 0)])).toEqual(['a-1'])
    expect(unanswered(request, [answer('a', 0), answer('a', 1), answer('b', 0)])).toEqual([])
  })
})
