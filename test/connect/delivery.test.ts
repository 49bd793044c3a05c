import { beforeEach, describe, expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { ClusterMap } from '../../src/connect/kafka/client/cluster-map.ts'
import { BatchEncoder } from '../../src/connect/kafka/codec/encode.ts'
import { Delivery, Outgoing } from '../../src/connect/kafka/produce/delivery.ts'
import { ThroughputEstimator } from '../../src/connect/kafka/produce/throughput-estimator.ts'
import { CODE } from '../../src/connect/kafka/wire/protocol.ts'
import { WrittenRecords } from '../../src/connect/written-records.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { atOnce } from '../../src/kernel/slices.ts'
import { NO_PRODUCER } from '../support/batches.ts'
import { HandClock, longestWaits } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'
import { record } from './listener.ts'

// A delivery that takes too long, with stand-ins for the brokers.

const WITHIN_MS = 20

let clock: HandClock

beforeEach(() => {
  clock = new HandClock(0)
})

/** Two records for a partition. */
function outgoing(partition: number): Outgoing {
  const records = WrittenRecords.of([record('t'), record('t')])
  const to = new Outgoing({ topic: 't', partition }, { records, indices: [0, 1] })
  atOnce(
    to.pack(new BatchEncoder(), { maxBytes: 1_000, producer: NO_PRODUCER, compression: 'none' }),
  )
  return to
}

/**
 * Sends to partitions, each of which has its number as its leader, and gives what that fails with.
 */
async function deliver(partitions: readonly number[], leaders: Partial<Brokers>) {
  const brokers = {
    clock,
    random: longestWaits,
    map: Object.assign(new ClusterMap(), {
      leaderOf: ({ partition }: { partition: number }) => String(partition),
    }),
    isConnectedTo: () => true,
    throttleLeftMs: () => 0,
    hangUp: () => {},
    ...leaders,
  }
  const delivery = new Delivery(
    { transactionalId: 'id', joinsTransaction: true, withinMs: WITHIN_MS, check: () => {} },
    {
      brokers: brokers as unknown as Brokers,
      throughput: new ThroughputEstimator(),
      isKnown: () => true,
      acknowledged: () => {},
      split: () => {},
      lost: () => {},
    },
  )
  const failure = thrownBy(delivery.send(partitions.map(outgoing)))
  await clock.pass(4 * WITHIN_MS)
  return failure
}

describe('a delivery that takes too long', () => {
  test('says which broker hangs, though another one asks for smaller batches', async () => {
    let hangUp: (leader: string) => void = () => {}
    const hung = new Promise<never>((_, reject) => {
      hangUp = (leader) => reject(new TidemarkError('BROKER_UNAVAILABLE', `${leader} hangs`))
    })
    const tooLarge = [{ topic: 't', partition: 0, code: CODE.MESSAGE_TOO_LARGE }]
    const ask = async (leader: string) => (leader === '1' ? hung : tooLarge)
    const sending = deliver([0, 1], {
      ask: ask as unknown as Brokers['ask'],
      hangUp: (leader) => hangUp(leader),
    })
    expect(await sending).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: '1 hangs',
    })
  })

  test('says what hindered it, though time ran out while leaders were asked for', async () => {
    const moved = [{ topic: 't', partition: 0, code: CODE.NOT_LEADER_OR_FOLLOWER }]
    const sending = deliver([0], {
      ask: (async () => moved) as unknown as Brokers['ask'],
      refresh: async () => {
        await clock.sleep(2 * WITHIN_MS)
      },
    })
    expect(await sending).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: 'the broker answers NOT_LEADER_OR_FOLLOWER',
    })
  })

  test('says so when it was to wait before it sent anything', async () => {
    const throttleLeftMs = () => Math.max(0, 2 * WITHIN_MS - clock.elapsedMs())
    expect(await deliver([0], { throttleLeftMs })).toMatchObject({
      code: 'COMMIT_TIMED_OUT',
      message: 'records were not acknowledged in 20 ms',
    })
  })
})
