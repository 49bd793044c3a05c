import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { chunkOf } from '../../src/connect/kafka/consume/fetch-buffer.ts'
import {
  Fetcher,
  type FetcherOptions,
  type FetchPosition,
  initialLogMark,
} from '../../src/connect/kafka/consume/fetcher.ts'
import { Unreadables } from '../../src/connect/kafka/consume/unreadable-partitions.ts'
import { type FetchedPartition, fetch } from '../../src/connect/kafka/wire/fetch.ts'
import { CODE, type Request } from '../../src/connect/kafka/wire/protocol.ts'
import { type Clock, wallClock } from '../../src/kernel/clock.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { until } from '../services/cluster.ts'
import { encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { HandClock, longestWaits } from '../support/clocks.ts'

// Answers of leaders that come late, by brokers that are none.

vi.mock(import('../../src/connect/kafka/wire/fetch.ts'), { spy: true })

const HERE = { topic: 't', partition: 3 }

type Answer = Partial<FetchedPartition>

/** A batch of records, the first of their log. */
function batchOf(values: readonly string[]): Answer {
  const records = values.map((value) => {
    return { key: null, value: Buffer.from(value), timestampMs: 0, headers: [] }
  })
  const options = { maxBytes: 1_000_000, producer: NO_PRODUCER, compression: 'none' } as const
  const set = encodeBatches(records, options)[0]?.bytes as Buffer
  return { code: CODE.NONE, set, highWatermark: values.length }
}

const recordOf = (value: string) => batchOf([value])

/** How far time has jumped. */
let aheadMs = 0
const clock: Clock = { ...wallClock, elapsedMs: () => wallClock.elapsedMs() + aheadMs }

/** A cluster in which each fetch waits until the test answers it. */
class Cluster {
  leader = '1'
  epoch = 5
  /** By the broker that was asked. */
  readonly asked = new Map<string, (answer: Answer | TidemarkError) => void>()
  readonly brokers: Brokers

  constructor(by: Clock = clock) {
    this.brokers = {
      clock: by,
      random: longestWaits,
      map: {
        leaderOf: () => this.leader,
        leaderEpochOf: () => this.epoch,
        idOf: () => 'an id',
      },
      fetchesById: async () => false,
      refresh: async () => {},
      ask: async (nodeId: string, { api }: Request<unknown>) => {
        if (api !== 'Fetch') return [{ ...HERE, code: CODE.NONE, epoch: 5, endOffset: 0 }]
        const answer = await new Promise<Answer | TidemarkError>((resolve) =>
          this.asked.set(nodeId, resolve),
        )
        if (answer instanceof TidemarkError) throw answer
        const empty = { aborted: [], set: Buffer.alloc(0), lowOffset: 0, highWatermark: 0 }
        return { code: CODE.NONE, partitions: [{ ...HERE, ...empty, ...answer }] }
      },
    } as unknown as Brokers
  }

  elect(leader: string): void {
    this.leader = leader
    this.epoch++
  }

  async answer(nodeId: string, answer: Answer | TidemarkError): Promise<void> {
    await until(`asked broker ${nodeId}`, async () => this.asked.has(nodeId))
    const answers = this.asked.get(nodeId)
    this.asked.delete(nodeId)
    answers?.(answer)
  }
}

let cluster: Cluster
let fetcher: Fetcher
let values: string[]
let failure: TidemarkError | null
let unreadables: Unreadables
let answeredMs: number[]

beforeEach(() => {
  aheadMs = 0
  cluster = new Cluster()
  values = []
  failure = null
  answeredMs = []
  unreadables = new Unreadables(() => {}, clock)
  fetcher = reading(cluster.brokers)
  fetcher.wake()
})

afterEach(() => {
  fetcher.stop()
  unreadables.stop()
})

function reading(brokers: Brokers, o: Partial<FetcherOptions> = {}): Fetcher {
  const of: FetchPosition = {
    ...HERE,
    ...initialLogMark('t', 3, brokers),
    nextOffset: 0,
    reportedEnd: -1,
    paused: false,
  }
  return new Fetcher({
    brokers,
    unreadables,
    partitions: () => [of],
    isCurrent: () => true,
    answered: (ms) => answeredMs.push(ms),
    fetched: (_, fetched) => {
      const { records } = chunkOf({ ...HERE, epoch: 1 }, fetched)
      values.push(...Array.from(records, ({ value }) => String(value)))
    },
    failed: (error) => {
      failure = error
    },
    ...o,
  })
}

/** It has been asked once more, so that the answer before has been taken. */
const askedAgain = (nodeId: string) => until('asked again', async () => cluster.asked.has(nodeId))

describe('partitions that are replayed', () => {
  /** Which partitions of the topic the first fetch asks for. */
  async function askedWith(left: readonly number[], paused = -1): Promise<readonly number[]> {
    vi.mocked(fetch).mockClear()
    const all = left.map((_, partition) => {
      const mark = initialLogMark('t', partition, cluster.brokers)
      return {
        topic: 't',
        partition,
        ...mark,
        nextOffset: 0,
        reportedEnd: -1,
        paused: partition === paused,
      }
    })
    const replaying = reading(cluster.brokers, {
      partitions: () => all,
      leftToReplay: ({ partition }) => left[partition] ?? 0,
    })
    replaying.wake()
    await until('asked', async () => vi.mocked(fetch).mock.calls.length > 0)
    replaying.stop()
    const [positions = []] = vi.mocked(fetch).mock.calls[0] ?? []
    return positions.map(({ partition }) => partition).toSorted((a, b) => a - b)
  }

  test('are read one after the other, the one with the least left first', async () => {
    expect(await askedWith([500, 300, 400])).toEqual([1])
  })

  test('wait until what was read of the one before is processed', async () => {
    expect(await askedWith([500, 1, 300])).toEqual([1])
  })

  test('do not wait for one that is paused: nothing would tell when it is processed', async () => {
    expect(await askedWith([500, 1, 300], 1)).toEqual([2])
  })

  test('do not wait for one that cannot be read', async () => {
    vi.mocked(fetch).mockClear()
    const all = [100, 500].map((_, partition) => {
      const mark = initialLogMark('t', partition, cluster.brokers)
      return { topic: 't', partition, ...mark, nextOffset: 0, reportedEnd: -1, paused: false }
    })
    const replaying = reading(cluster.brokers, {
      partitions: () => all,
      leftToReplay: ({ partition }) => (partition === 0 ? 100 : 500),
    })
    replaying.wake()
    await cluster.answer('1', { partition: 0, code: CODE.NOT_LEADER_OR_FOLLOWER })
    await askedAgain('1')
    replaying.stop()
    expect(vi.mocked(fetch).mock.lastCall?.[0].map(({ partition }) => partition)).toEqual([1])
  })

  test('do not keep those waiting that are not', async () => {
    expect(await askedWith([500, 0, 300, -7])).toEqual([1, 2, 3])
  })
})

describe('what a leader answers when there is another one', () => {
  test('is not read: the new leader may have something else there', async () => {
    await askedAgain('1')
    cluster.elect('2')
    fetcher.wake()
    await askedAgain('2')
    await cluster.answer('1', recordOf('of the former leader'))
    await cluster.answer('2', recordOf('of the new leader'))
    await askedAgain('2')
    expect(values).toEqual(['of the new leader'])
  })

  test('does not end the member, whatever it is', async () => {
    await askedAgain('1')
    cluster.elect('2')
    fetcher.wake()
    await askedAgain('2')
    await cluster.answer('1', { code: CODE.OFFSET_OUT_OF_RANGE })
    await cluster.answer('2', recordOf('of the new leader'))
    await askedAgain('2')
    expect([values, failure]).toEqual([['of the new leader'], null])
  })
})

test('it is told how long an answer with records took, and of no other', async () => {
  await askedAgain('1')
  aheadMs += 60_000
  await cluster.answer('1', recordOf('late'))
  await askedAgain('1')
  await cluster.answer('1', { code: CODE.UNKNOWN_TOPIC_OR_PARTITION })
  await new Promise((resolve) => setImmediate(resolve))
  expect(values).toEqual(['late'])
  expect(answeredMs.map((ms) => Math.round(ms / 10_000))).toEqual([6])
})

test('one answer alone, however late, does not tell that a topic is gone', async () => {
  await askedAgain('1')
  aheadMs = 60_000
  await cluster.answer('1', { code: CODE.UNKNOWN_TOPIC_OR_PARTITION })
  await new Promise((resolve) => setImmediate(resolve))
  expect(failure).toBeNull()
})

test('a leader that has answered is asked again as soon after a failure as at first', async () => {
  const away = new TidemarkError('BROKER_UNAVAILABLE', 'it is away')
  const hand = new HandClock(0)
  fetcher.stop()
  cluster = new Cluster(hand)
  fetcher = reading(cluster.brokers)
  fetcher.wake()
  const waitAfter = async (answer: Answer | TidemarkError) => {
    hand.slept.length = 0
    await cluster.answer('1', answer)
    await hand.pass(0)
    const [waitMs] = hand.slept
    await hand.pass(100)
    return waitMs
  }
  expect([await waitAfter(away), await waitAfter(away)]).toEqual([50, 100])
  await waitAfter({ code: CODE.NONE })
  expect(await waitAfter(away)).toBe(50)
})

test('after a large answer the next fetch is sent before all of it is handed over', async () => {
  const large = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(400))
  fetcher.stop()
  // Its time stands still: a fetch that waits a little is never sent.
  cluster = new Cluster(new HandClock(0))
  fetcher = reading(cluster.brokers, {
    fetched: (of, { records }) => {
      values.push(...Array.from(records.offsets, String))
      of.paused = true
    },
  })
  fetcher.wake()
  await cluster.answer('1', batchOf(large))
  await askedAgain('1')
  expect(values.length).toBeGreaterThan(0)
  expect(values.length).toBeLessThan(large.length)
})

describe('after a small answer', () => {
  /** Fetches once, while a commit is on its way that ends when told. */
  async function fetchedOnce() {
    let ended: () => void = () => {}
    const commit = new Promise<void>((resolve) => {
      ended = () => resolve()
    })
    const hand = new HandClock(0)
    fetcher.stop()
    cluster = new Cluster(hand)
    fetcher = reading(cluster.brokers, { committed: () => commit })
    fetcher.wake()
    await cluster.answer('1', recordOf('a'))
    await hand.asleepFor(3)
    return { ended, hand }
  }

  test('the next fetch waits for the commit on its way', async () => {
    const { ended, hand } = await fetchedOnce()
    await hand.pass(9)
    expect(cluster.asked.has('1')).toBe(false)
    ended()
    await askedAgain('1')
  })

  test('it waits no longer than 10 ms, however long the commit takes', async () => {
    const { hand } = await fetchedOnce()
    expect(cluster.asked.has('1')).toBe(false)
    await hand.pass(10)
    await askedAgain('1')
  })

  test('it waits for 3 ms where no commit is on its way', async () => {
    const { ended, hand } = await fetchedOnce()
    ended()
    await hand.pass(2)
    expect(cluster.asked.has('1')).toBe(false)
    await hand.pass(1)
    await askedAgain('1')
  })
})

describe('how long a leader may wait for a record', () => {
  const allowedMs = () => vi.mocked(fetch).mock.lastCall?.[2].maxWaitMs

  test('100 ms at first, and 500 ms after an answer without one', async () => {
    await askedAgain('1')
    expect(allowedMs()).toBe(100)
    await cluster.answer('1', { code: CODE.NONE })
    await askedAgain('1')
    expect(allowedMs()).toBe(500)
  })

  test('100 ms again after a record', async () => {
    await cluster.answer('1', { code: CODE.NONE })
    await cluster.answer('1', recordOf('a'))
    await askedAgain('1')
    expect(allowedMs()).toBe(100)
  })

  test('100 ms while a partition is paused, which may be resumed at any time', async () => {
    fetcher.stop()
    cluster = new Cluster()
    const both = [3, 4].map((partition) => {
      const mark = initialLogMark('t', partition, cluster.brokers)
      const paused = partition === 4
      return { topic: 't', partition, ...mark, nextOffset: 0, reportedEnd: -1, paused }
    })
    fetcher = reading(cluster.brokers, { partitions: () => both })
    fetcher.wake()
    await cluster.answer('1', { code: CODE.NONE })
    await askedAgain('1')
    expect(allowedMs()).toBe(100)
  })
})
