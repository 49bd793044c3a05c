import * as fc from 'fast-check'
import { defineTopology } from 'tidemark'
import { describe, expect, test } from 'vitest'
import type { Format } from '../../../src/formats/format.ts'
import { type Clock, wallClock } from '../../../src/kernel/clock.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { Slices } from '../../../src/kernel/slices.ts'
import { ListedRecords } from '../../../src/records/log-records.ts'
import type { Guarantee, LogRecord, TopicInfo } from '../../../src/records/port.ts'
import type { ChunkInFlight } from '../../../src/runtime/commit/in-flight.ts'
import { workerConfig } from '../../../src/runtime/config.ts'
import { limitsOf } from '../../../src/runtime/output/topic-limits.ts'
import { AssignedPartition } from '../../../src/runtime/partition/assigned-partition.ts'
import type { Scorer } from '../../../src/scoring/scorer.ts'
import type { Definition } from '../../../src/topology/definition.ts'
import { stepsOf } from '../../../src/topology/graph.ts'
import { HandClock, longestWaits } from '../../support/clocks.ts'
import { headerOf } from '../../support/headers.ts'
import { plainRecords } from '../../support/plain-records.ts'
import { runs } from '../../support/runs.ts'
import { topic } from '../hand-records.ts'
import {
  model,
  perTenSeconds,
  preparedTopology,
  record,
  START_MS,
  scored,
  scorer,
  source,
  valuesOf,
  Watch,
} from '../support.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

interface Setting {
  readonly by?: Scorer
  readonly topic?: Partial<TopicInfo>
  readonly definition?: Definition
  readonly guarantee?: Guarantee
  /** Replaces that of the source's format. @default JSON's: nothing has to be waited for */
  readonly prepare?: Format['prepare']
  /** The committed offset. @default 0 */
  readonly nextOffset?: number
  /** @default the wall clock */
  readonly clock?: Clock
  /** The offset at which reading ends. @default never */
  readonly end?: number
}

/** A task of partition 3 and what it tells. */
function taskWith({ by = scorer(), definition = scored, ...setting }: Setting = {}) {
  const watch = new Watch()
  const errors: unknown[] = []
  const pauses: string[] = []
  const { end } = setting
  let finished: () => void = () => {}
  const assignment = {
    topic: 'events',
    partition: 3,
    epoch: 1,
    nextOffset: setting.nextOffset ?? 0,
    metadata: '',
    lowOffset: 0,
    lookBackOffset: 0,
  }
  const limits = limitsOf(topic('scores', { timestampAfterMaxMs: null, ...setting.topic }))
  const topology = preparedTopology(definition, by)
  if (setting.prepare !== undefined) Object.assign(topology.format, { prepare: setting.prepare })
  const partition = new AssignedPartition([topology], assignment, {
    config: workerConfig({ guarantee: setting.guarantee ?? 'exactly-once' }),
    clock: setting.clock ?? wallClock,
    random: longestWaits,
    slices: new Slices(() => 0),
    observer: watch.observer,
    limits: { maxKeys: 1_000, maxBytes: 1_000_000 },
    partitions: 6,
    verdictsOf: () => null,
    range: end === undefined ? null : { of: () => ({ end, asked: '' }) },
    keyWatches: new Map(),
    pausable: { pause: () => pauses.push('paused'), resume: () => {} },
    topicLimits: () => limits,
    onFinished: () => finished(),
    onBytes: () => {},
    onFailed: (error) => errors.push(error),
  })
  const { inFlight } = partition
  const take = (...list: LogRecord[]) => {
    const records = new ListedRecords(list)
    const nextOffset = (list.at(-1)?.offset ?? -1) + 1
    partition.process({
      topic: 'events',
      partition: 3,
      epoch: 1,
      records,
      nextOffset,
      endOffset: 99,
    })
  }
  /** The chunks that could be committed now. */
  const room = { bytes: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY }
  const done = () => inFlight.gather(room, 1).from.map((f) => wholeOf(f.chunk))
  /** Until so many chunks are finished. */
  const closed = async (count: number) => {
    while (done().length < count) {
      await new Promise<void>((resolve) => {
        finished = resolve
      })
    }
    return done()
  }
  /** All that came of one chunk. */
  const all = async (...records: LogRecord[]) => {
    take(...records)
    const [chunk] = await closed(1)
    const { outputs = [], deadLetters = [] } = chunk ?? {}
    const codes = deadLetters.map((d) => headerOf(d, 'tidemark.code'))
    return { outputs, deadLetters, codes, outcomes: watch.of('processed')[0]?.outcomes }
  }
  return { partition, inFlight, take, done, closed, all, watch, errors, pauses }
}

function wholeOf({ batches, nextOffset }: ChunkInFlight) {
  return {
    outputs: batches.flatMap((b) => plainRecords(b.outputs.records)),
    deadLetters: batches.flatMap((b) => plainRecords(b.deadLetters.records)),
    nextOffset,
  }
}

/** A scorer that answers batch by batch when told; a batch is named by its first amount. */
function gated() {
  const gates = new Map<number, { open: () => void; refuse: (error: Error) => void }>()
  const by = scorer(
    (amounts) =>
      new Promise((resolve, reject) => {
        gates.set(amounts[0] ?? -1, { open: () => resolve(amounts), refuse: reject })
      }),
  )
  return {
    by,
    gate: (amount: number) => gates.get(amount) as NonNullable<ReturnType<typeof gates.get>>,
  }
}

const malformed = (offset: number) => record(offset, { value: Buffer.from('{') })

describe('chunks finish in log order (rule C3)', () => {
  test('also when a later one is scored first', async () => {
    const { by, gate } = gated()
    const { take, done, closed } = taskWith({ by })
    take(record(1))
    take(record(2))
    gate(2).open()
    await turn()
    expect(done()).toEqual([])
    gate(1).open()
    const chunks = await closed(2)
    expect(chunks.map((c) => c.nextOffset)).toEqual([2, 3])
    expect(chunks.flatMap((c) => valuesOf(c.outputs, 'p'))).toEqual([1, 2])
  })

  test('dead letters of a later one wait for the scores of an earlier one', async () => {
    const { by, gate } = gated()
    const { take, done, closed } = taskWith({ by })
    take(record(1))
    take(malformed(2))
    gate(-1)?.open()
    await turn()
    expect(done()).toEqual([])
    gate(1).open()
    const chunks = await closed(2)
    expect(chunks.map((c) => c.deadLetters.length)).toEqual([0, 1])
  })

  test('one that cannot be finished holds up all that follow', async () => {
    const { by, gate } = gated()
    const { take, done, errors } = taskWith({ by })
    take(record(1))
    take(record(2))
    gate(2).open()
    gate(1).refuse(new TypeError('a bug'))
    await turn()
    expect(errors[0]).toBeInstanceOf(TypeError)
    expect(done()).toEqual([])
  })

  test('the windows of a later one see the events of an earlier one that is not scored yet', async () => {
    const { by, gate } = gated()
    const { take, closed } = taskWith({ by })
    take(record(1))
    take(record(2))
    gate(2).open()
    gate(1).open()
    const chunks = await closed(2)
    expect(chunks.flatMap((c) => valuesOf(c.outputs, 'sum'))).toEqual([1, 3])
  })
})

describe('a format that waits for something before it can decode a chunk', () => {
  test('holds up the chunks behind it, and all enter the windows in log order', async () => {
    let open: () => void = () => {}
    const schema = new Promise<void>((resolve) => {
      open = resolve
    })
    const prepare: Format['prepare'] = ({ length }) => (length === 1 ? schema : null)
    const { take, done, closed } = taskWith({ prepare })
    take(record(1))
    take(record(2), record(3))
    await turn()
    expect(done()).toEqual([])
    open()
    const chunks = await closed(2)
    expect(chunks.flatMap((c) => valuesOf(c.outputs, 'sum'))).toEqual([1, 3, 6])
  })

  test('fails the task when it is given up', async () => {
    const { take, done, errors } = taskWith({
      prepare: () => Promise.reject(new TypeError('a bug')),
    })
    take(record(1))
    await turn()
    expect(errors[0]).toBeInstanceOf(TypeError)
    expect(done()).toEqual([])
  })
})

describe('a score that cannot be used', () => {
  test('sets its own row aside, its neighbours are scored', async () => {
    const by = scorer((amounts) => amounts.map((a) => (a === 2 ? Number.NaN : a)))
    const { outputs, deadLetters, codes } = await taskWith({ by }).all(
      record(1),
      record(2),
      record(3),
    )
    expect(valuesOf(outputs, 'p')).toEqual([1, 3])
    expect(codes).toEqual(['SCORE_NOT_FINITE'])
    expect(headerOf(deadLetters[0] as never, '__streams.errors.offset')).toBe('2')
    expect(headerOf(deadLetters[0] as never, 'tidemark.stage')).toBe('m')
  })
})

describe('an output', () => {
  test('that its topic does not take is a dead letter, its neighbours are written', async () => {
    const long = record(2)
    const key = Buffer.alloc(900, 'k')
    const setting = { topic: { maxMessageBytes: 1_000 } }
    const { outputs, codes } = await taskWith(setting).all(record(1), { ...long, key })
    expect(valuesOf(outputs, 'amount')).toEqual([1])
    expect(codes).toEqual(['OUTPUT_TOO_LARGE'])
  })

  test('whose timestamp its topic does not take is a dead letter with the present one (C10)', async () => {
    const setting = { topic: { timestampBeforeMaxMs: 3_600_000 } }
    const fresh = { ...record(2), timestampMs: Date.now() }
    const { outputs, deadLetters, codes } = await taskWith(setting).all(record(1), fresh)
    expect(valuesOf(outputs, 'amount')).toEqual([2])
    expect(codes).toEqual(['OUTPUT_TIMESTAMP'])
    const [letter] = deadLetters
    expect(letter?.timestampMs).toBeGreaterThan(Date.now() - 60_000)
    expect(headerOf(letter as never, 'tidemark.timestamp')).toBe(String(START_MS + 1))
    expect(headerOf(letter as never, 'tidemark.message')).toBe(
      `an output has its record's timestamp, ${START_MS + 1}, which topic "scores" does not accept now ` +
        '(message.timestamp.before.max.ms)',
    )
  })

  test('has the key and the timestamp of its record, and headers that say where it comes from', async () => {
    const { outputs } = await taskWith().all(record(7), record(8))
    expect(outputs.map((o) => [String(o.key), o.timestampMs])).toEqual([
      ['k', START_MS + 7],
      ['k', START_MS + 8],
    ])
    expect(outputs.map((o) => headerOf(o, 'tidemark-id'))).toEqual([
      'events/3/7/scores',
      'events/3/8/scores',
    ])
    expect(headerOf(outputs[0] as never, 'tidemark-by')).toBe('0123456789ab')
    expect(Number(headerOf(outputs[0] as never, 'tidemark-scored-at'))).toBeGreaterThan(START_MS)
  })
})

/**
 * Every event to a model and to the sink `all`; what comes of the model to `first`, then to
 * `second`.
 */
const twoWays = defineTopology('two-ways', (t) => {
  const events = t.source('events', source)
  const scores = events
    .features((f) => ({
      amount: f.events({}).value((e) => e.amount),
      sum: f.events({}).value(() => 0),
    }))
    .score(model)
  const first = scores.sink('first')
  const second = scores.sink('second', { key: (s) => (s.score.p > 1 ? 'shop' : '') })
  return [events.sink('all'), first, second]
})

test('behind a model a record writes all its outputs or none; another way of it goes on', async () => {
  const { outputs, codes, outcomes } = await taskWith({ definition: twoWays }).all(
    record(1),
    record(2),
  )
  expect(new Set(outputs.map((o) => headerOf(o, 'tidemark-id')))).toEqual(
    new Set(['events/3/1/all', 'events/3/2/all', 'events/3/2/first', 'events/3/2/second']),
  )
  expect(outputs).toHaveLength(4)
  expect(codes).toEqual(['KEY_INVALID'])
  expect(outcomes).toEqual({ scored: 2, windowed: 0, skipped: 0, duplicate: 0, late: 0, dead: 0 })
})

test('a record with two faults is one dead letter, for the first of them', async () => {
  const both = defineTopology('both', (t) => {
    const events = t.source('events', source)
    return [
      events.sink('all', { key: () => '' }),
      events.map((e) => ({ n: BigInt(e.amount) })).sink('more'),
    ]
  })
  const { outputs, codes } = await taskWith({ definition: both }).all(record(1))
  expect([outputs, codes]).toEqual([[], ['KEY_INVALID']])
})

test('outcomes are told of the first step that keeps windows', async () => {
  const { all, watch } = taskWith()
  await all(record(1))
  expect(watch.of('processed').map((p) => [p.step, p.nextOffset, p.watermarkMs])).toEqual([
    ['features', 2, START_MS + 1 - 1_000],
  ])
})

test('in = scored + skipped + late + dead, and each record is one output, one dead letter or neither', async () => {
  const kinds = fc.constantFrom('good', 'skipped', 'late', 'malformed', 'nan', 'tombstone')
  const by = scorer((amounts) => amounts.map((a) => (a === 13 ? Number.NaN : a)))
  const of = (kind: string, offset: number): LogRecord => {
    if (kind === 'malformed') return malformed(offset)
    if (kind === 'tombstone') return record(offset, { value: null })
    if (kind === 'skipped') return record(offset, { amount: -1 })
    if (kind === 'nan') return record(offset, { amount: 13 })
    const at = kind === 'late' ? START_MS - 60_000 : START_MS + offset
    const value = Buffer.from(JSON.stringify({ key: 'k', at, amount: 1 }))
    return record(offset, { value })
  }
  const property = fc.asyncProperty(fc.array(kinds, { maxLength: 30 }), async (chosen) => {
    // The first event sets the watermark that late ones are behind.
    const records = ['good', ...chosen].map(of)
    const { outputs, deadLetters, codes, outcomes } = await taskWith({ by }).all(...records)
    const { scored: good = 0, skipped = 0, late = 0, dead = 0 } = outcomes ?? {}
    expect(good + skipped + late + dead).toBe(records.length)
    expect(outputs).toHaveLength(good)
    expect(good).toBe(1 + chosen.filter((k) => k === 'good').length)
    expect(late).toBe(codes.filter((c) => c === 'LATE').length)
    expect(deadLetters).toHaveLength(late + dead)
    expect(skipped).toBe(chosen.filter((k) => k === 'skipped').length)
  })
  await fc.assert(property, { numRuns: runs(100) })
})

test('a partition is restoring until its tasks have processed what is replayed', async () => {
  let open = () => {}
  const schema = new Promise<void>((resolve) => {
    open = resolve
  })
  const { partition, take, watch } = taskWith({ nextOffset: 2, prepare: () => schema })
  expect(partition.isRestoring).toBe(true)
  take(record(0), record(1))
  await turn()
  expect(partition.isRestoring).toBe(true)
  open()
  await watch.until(() => watch.of('restored').length > 0)
  expect(partition.isRestoring).toBe(false)
})

test('a partition with nothing to replay is never restoring', () => {
  expect(taskWith().partition.isRestoring).toBe(false)
})

describe('a range that ends', () => {
  const offsets = (chunks: Awaited<ReturnType<ReturnType<typeof taskWith>['closed']>>) =>
    chunks.map(({ nextOffset }) => nextOffset)

  test('where no record is, ends when the log is read to beyond it, and takes no more', async () => {
    const { partition, take, closed, pauses, watch } = taskWith({ end: 10 })
    take(record(0), record(1), record(2))
    expect(pauses).toEqual([])
    partition.caughtUp(12)
    // Before them it is committed where the range begins.
    expect(offsets(await closed(3))).toEqual([0, 3, 10])
    expect(pauses).toEqual(['paused'])
    expect(watch.of('consumed').map(({ endOffset }) => endOffset)).toEqual([10, 10])
    take(record(10), record(11))
    partition.caughtUp(14)
    await turn()
    expect(offsets(await closed(3))).toEqual([0, 3, 10])
  })

  test('where the group has committed, takes nothing, whether or not it replays', async () => {
    const sinks = [...stepsOf(scored.then)].filter((step) => step.op === 'sink')
    const stateless = { ...scored, then: sinks }
    const one = taskWith({ definition: stateless, nextOffset: 10, end: 10 })
    expect(one.pauses).toEqual(['paused'])
    one.take(record(10))
    const other = taskWith({ nextOffset: 10, end: 10 })
    expect(other.pauses).toEqual([])
    other.take(record(8), record(9), record(10))
    expect(other.pauses).toEqual(['paused'])
    for (const { closed, done } of [one, other]) {
      expect(offsets(await closed(1))).toEqual([10])
      await turn()
      expect(done()).toHaveLength(1)
    }
  })

  test('before the records of a chunk, ends there', async () => {
    const { take, closed } = taskWith({ end: 10 })
    take(record(9))
    take(record(14), record(15))
    const chunks = await closed(2)
    expect(offsets(chunks)).toEqual([0, 10])
    expect(chunks.flatMap(({ outputs }) => outputs)).toHaveLength(1)
  })

  test('within a batch that cannot be unpacked, counts the records before it', async () => {
    const { partition, closed, watch } = taskWith({ end: 10 })
    const error = new TidemarkError('BATCH_TOO_LARGE', 'it is')
    const bytes = Buffer.alloc(8)
    partition.process({
      ...{ topic: 'events', partition: 3, epoch: 1, records: new ListedRecords([]) },
      packed: { offset: 6, lastOffset: 12, count: 7, timestampMs: START_MS, bytes, error },
      ...{ nextOffset: 13, endOffset: 99 },
    })
    const chunks = await closed(2)
    expect(offsets(chunks)).toEqual([0, 10])
    expect(chunks.flatMap(({ deadLetters }) => deadLetters)).toHaveLength(1)
    expect(watch.of('processed').at(-1)?.outcomes.dead).toBe(4)
  })

  test('leaves tumbling windows open, also when its end is the end of the log', async () => {
    const from = perTenSeconds.source
    const idling = { ...from, watermark: { ...from.watermark, idleAfterMs: 1_000 } }
    const clock = new HandClock(START_MS)
    const afterAnHour = async (end?: number) => {
      const definition = { ...perTenSeconds, source: idling }
      const bounded = end === undefined ? {} : { end }
      const { take, partition, closed, done } = taskWith({ definition, clock, ...bounded })
      take(record(0), record(1))
      partition.caughtUp(2)
      await closed(end === undefined ? 1 : 2)
      await clock.pass(3_600_000)
      return done().flatMap(({ outputs }) => outputs)
    }
    expect(await afterAnHour(2)).toEqual([])
    expect(await afterAnHour()).toHaveLength(1)
  })
})
