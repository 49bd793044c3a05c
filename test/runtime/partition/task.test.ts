import * as fc from 'fast-check'
import { defineTopology } from 'tidemark'
import { describe, expect, test } from 'vitest'
import type { LogRecord } from '../../../src/connect/port.ts'
import type { Format } from '../../../src/formats/format.ts'
import { headerOf } from '../../support/headers.ts'
import { runs } from '../../support/runs.ts'
import { model, record, START_MS, scorer, source, valuesOf } from '../support.ts'
import { taskWith, turn } from './task-with.ts'

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
    await turn()
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
    await turn()
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
    await turn()
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
    expect(letter?.timestampMs).toBeGreaterThanOrEqual(fresh.timestampMs)
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

test('restored windows are told with their size, although no live record has come', async () => {
  const { take, watch } = taskWith({ nextOffset: 2 })
  take(record(0), record(1))
  await watch.until(() => watch.of('restored').length > 0)
  expect(watch.of('processed')).toEqual([])
  const [restored] = watch.of('restored')
  expect(restored).toMatchObject({ keys: 1, watermarkMs: START_MS + 1 - 1_000 })
  expect(restored?.bytes).toBeGreaterThan(0)
})

test('a partition with nothing to replay is never restoring', () => {
  expect(taskWith().partition.isRestoring).toBe(false)
})
