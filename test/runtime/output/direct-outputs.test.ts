import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Header, LogRecord } from '../../../src/connect/port.ts'
import type { Produced } from '../../../src/runtime/output/outputs.ts'
import { chunkHeaders } from '../../../src/runtime/output/provenance.ts'
import { limitsOf } from '../../../src/runtime/output/topic-limits.ts'
import type { Definition } from '../../../src/topology/definition.ts'
import { PLAIN } from '../../connect/codec/support.ts'
import { encodeBatches, writtenBytes } from '../../support/batches.ts'
import { plainRecords } from '../../support/plain-records.ts'
import { runs } from '../../support/runs.ts'
import { START_MS } from '../support.ts'
import {
  Base,
  bothWays,
  type Chunk,
  directTopics,
  Event,
  eventOf,
  FEATURES,
  recordOf,
  SCORES,
  type Scores,
  scored,
  scoring,
  told,
} from './direct-chunks.ts'

const oneSink = scoring(Event, (scores) =>
  scores
    .map((s) => ({ id: s.event.id, at: s.event.at, p: s.score.p, model: s.model }))
    .sink('scores'),
)

const twoSinks = scoring(Event, (scores) => [
  scores
    .map((s) => ({
      note: s.event.note,
      shop: s.event.shop,
      isPaid: s.event.isPaid,
      'wo "é"': s.event.card.country,
      tier: { of: s.event.card.tier, isFirst: s.event.card.tier === 1 },
      amount: s.event.amount,
    }))
    .sink('first'),
  scores
    .map((s) => ({ all: s.features, risk: s.score.risk, isAway: s.event.shop === null, v: -1 }))
    .sink('second'),
])

const text = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.string({ maxLength: 90 }).map((each) => each.replace(/["\\]/g, '.')),
  },
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', 'Zürich', '✈😀', '\u2028\u007f', '"', '\\', '\n', '\0', 'c-000417'),
)
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 1e21, 5e-324, 0.1),
)
const event = fc.record(
  {
    id: text.filter((id) => id !== ''),
    at: fc.nat(1e6).map((ms) => START_MS + ms),
    amount: number,
    note: text,
    shop: fc.option(text),
    isPaid: fc.boolean(),
    card: fc.record({ country: text, tier: fc.constantFrom(1, 2) }, { requiredKeys: ['country'] }),
    bank: fc.record({ name: text }),
    // A field of this name makes a dead letter.
    extra: fc
      .jsonValue({ maxDepth: 1 })
      .filter((of) => !JSON.stringify(of).includes('"__proto__":')),
  },
  { requiredKeys: ['id', 'at', 'amount', 'shop', 'card'] },
)
const buffer = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes))
const anyHeader = fc.record(
  { name: fc.string({ unit: 'grapheme', maxLength: 70 }), value: buffer(70) },
  { noNullPrototype: true },
)
/** Some of them are passed on. */
const ofRecord = fc.oneof(
  anyHeader,
  fc.record({ name: fc.constantFrom('tenant', 'traceparent', 'tracestate'), value: buffer(70) }),
)
const record = fc
  .record({
    of: event,
    key: fc.option(buffer(80)),
    offset: fc.oneof(fc.maxSafeNat(), fc.nat(1_000), fc.constant(Number.MAX_SAFE_INTEGER)),
    timestampMs: fc.oneof(
      { weight: 9, arbitrary: fc.nat(100_000).map((ms) => START_MS + ms) },
      fc.constant(-1),
      fc.maxSafeNat(),
    ),
    headers: fc.array(ofRecord, { maxLength: 4 }),
  })
  .map(({ of, offset, ...more }) => recordOf(of, offset, more))

const chunk: fc.Arbitrary<Chunk> = fc
  .array(record, { minLength: 1, maxLength: 6 })
  .chain((records) =>
    fc.record({
      records: fc.constant(records),
      indices: fc.subarray(records.map((_, i) => i)),
      scores: fc.tuple(
        ...Array.from({ length: SCORES }, () =>
          fc
            .array(
              fc.oneof(
                { weight: 20, arbitrary: number },
                fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY),
              ),
              { minLength: records.length, maxLength: records.length },
            )
            .map((column) => Float64Array.from(column)),
        ),
      ),
      rows: fc
        .array(fc.float(), { minLength: 12, maxLength: 12 })
        .map((rows) => Float32Array.from(rows.slice(0, records.length * FEATURES.length))),
      failed: fc.array(fc.nat(40), { maxLength: 2 }).map((rows) => new Set(rows)),
      late: fc.array(fc.nat(5), { maxLength: 3 }).map((rows) => new Set(rows)),
      headers: fc.array(anyHeader, { maxLength: 3 }),
      topic: fc.nat(199).map((length) => 'e'.repeat(length + 1)),
      limits: fc.constantFrom(limitsOf(undefined), {
        maxBytes: 500,
        beforeMs: Number.POSITIVE_INFINITY,
        afterMs: 1e12,
      }),
    }),
  )

/** Outputs as a broker gets them. */
function batchOf({ outputs }: Produced): Buffer {
  const batches = encodeBatches([...outputs.records], PLAIN)
  return Buffer.concat(batches.map(({ bytes }) => bytes))
}

describe('outputs that are written directly', () => {
  test.each([
    ['one sink', oneSink],
    ['two sinks', twoSinks],
  ])('are those of %s that are made of objects, and so is what is set aside', (_, definition) => {
    let direct = 0
    fc.assert(
      fc.property(chunk, (given) => {
        const both = bothWays(definition, given)
        direct += given.records.length - both.asked
        expect(batchOf(both.direct).equals(batchOf(both.followed))).toBe(true)
        if (isDeepStrictEqual(told(both.direct), told(both.followed))) return
        expect(told(both.direct)).toEqual(told(both.followed))
      }),
      { numRuns: runs(400) },
    )
    expect(direct).toBeGreaterThan(runs(200))
  })

  test.each([3, 62, 63, 64, 65, 8_190, 8_191, 8_192, 8_193, 70_000, 2 ** 20 - 300])(
    'stand beside one another where a value has %d bytes',
    (bytes) => {
      const definition = scoring(Event, (scores) => scores.map((s) => s.event.id).sink('scores'))
      const ids = ['a', 'b'.repeat(bytes - 2), 'c']
      const { direct, followed, asked } = bothWays(definition, {
        ...scored(ids.map((id, i) => recordOf(eventOf({ id }), i))),
        limits: { ...limitsOf(undefined), maxBytes: 2 ** 21 },
        headers: chunkHeaders('0123456789ab', START_MS, true),
      })
      expect(asked).toBe(0)
      // Values alone: where one has written over the next, headers are nonsense, and may be as many
      // as you like.
      const values = Array.from(direct.outputs.records, ({ value }) => String(value))
      expect(values).toEqual(ids.map((id) => JSON.stringify(id)))
      expect(isDeepStrictEqual(told(direct), told(followed))).toBe(true)
    },
  )

  test('have an id of any length', () => {
    // With one more byte its own length takes two.
    for (let length = 36; length < 58; length++) {
      const records = [0, 9, 10 ** 9, 2 ** 53 - 1].map((offset) => recordOf(eventOf(), offset))
      const given = { ...scored(records), topic: 'e'.repeat(length), late: new Set([1, 3]) }
      const { direct, followed, asked } = bothWays(oneSink, given)
      expect(asked).toBe(0)
      expect(isDeepStrictEqual(told(direct), told(followed))).toBe(true)
    }
  })

  test('of late and degraded events say so, each with its reason, behind all other headers', () => {
    const records = [0, 1, 2, 3].map((offset) => recordOf(eventOf(), offset))
    const headers = chunkHeaders('0123456789ab', START_MS)
    const reasons = ['profiles=deadline', 'profiles=error']
    const degraded = new Map(reasons.map((reason, i) => [i + 2, reason]))
    const given = { ...scored(records), late: new Set([1]), degraded, headers }
    const { direct, asked } = bothWays(oneSink, given)
    expect(asked).toBe(0)
    const written = plainRecords(direct.outputs.records).map((made) => made.headers)
    const all = ['tidemark-id', 'tidemark-by', 'tidemark-scored-at']
    const marked = [...all, 'tidemark-degraded', 'tidemark-by-clock']
    expect(written.map((made) => made.map(({ name }) => name))).toEqual([
      ...[all, [...all, 'tidemark-late'], marked, marked],
    ])
    expect(written.slice(2).map((made) => String(made[3]?.value))).toEqual(reasons)
  })

  test('have the headers of their record that are passed on, behind their own', () => {
    const isPassed = ({ name }: Header) => ['tenant', 'traceparent', 'tracestate'].includes(name)
    const headersOfAll = fc.array(fc.array(ofRecord, { maxLength: 5 }), { minLength: 1 })
    fc.assert(
      fc.property(headersOfAll, (all) => {
        const records = all.map((headers, i) => recordOf(eventOf(), i, { headers }))
        const { direct, followed, asked } = bothWays(oneSink, scored(records))
        expect(asked).toBe(0)
        for (const { outputs } of [direct, followed]) {
          const written = plainRecords(outputs.records)
          const behindId = written.map(({ headers }) => headers.slice(1))
          expect(behindId).toEqual(all.map((headers) => headers.filter(isPassed)))
        }
      }),
      { numRuns: runs(100) },
    )
  })

  test('have no key where their record has none', () => {
    const records = [null, Buffer.alloc(0), Buffer.from('k')].map((key, i) =>
      recordOf(eventOf(), i, { key }),
    )
    const { direct, asked } = bothWays(oneSink, scored(records))
    expect(asked).toBe(0)
    expect(plainRecords(direct.outputs.records).map(({ key }) => key)).toEqual(
      records.map(({ key }) => key),
    )
  })

  test('lack the fields that their event lacks', () => {
    const { direct, asked } = bothWays(twoSinks, scored([recordOf(eventOf(), 0)]))
    expect(asked).toBe(0)
    expect(String(plainRecords(direct.outputs.records)[0]?.value)).toBe(
      '{"shop":null,"wo \\"é\\"":"CH","tier":{"isFirst":false},"amount":1.5}',
    )
  })
})

describe('an event is set aside alone, at the step where it failed', () => {
  const records = [0, 1, 2].map((offset) => recordOf(eventOf(), offset))
  /** Both ways. */
  function faultsOf(given: Chunk): unknown[] {
    const { direct, followed, asked } = bothWays(twoSinks, given)
    expect(asked).toBe(0)
    expect(told(direct)).toEqual(told(followed))
    // Either both sinks get something of an event, or neither does.
    const left = records.length - direct.faults.length
    expect(plainRecords(direct.outputs.records).map(({ topic }) => topic)).toEqual(
      Array.from({ length: left }, () => ['first', 'second']).flat(),
    )
    return direct.faults.map(({ record: { offset }, step, error }) => [offset, step, error.code])
  }

  test('that has no score', () => {
    expect(faultsOf({ ...scored(records), failed: new Set([0]) })).toEqual([
      [0, 'card', 'SCORE_FAILED'],
    ])
  })

  test('whose output is too large', () => {
    const large = recordOf(eventOf({ note: 'x'.repeat(500) }), 1)
    const [first, , last] = records as [LogRecord, LogRecord, LogRecord]
    const limits = { ...limitsOf(undefined), maxBytes: 400 }
    expect(faultsOf({ ...scored([first, large, last]), limits })).toEqual([
      [1, 'first', 'OUTPUT_TOO_LARGE'],
    ])
  })

  test('whose second output is too large', () => {
    const given = scored(records)
    for (const column of given.scores) column[2] = -1.2345678901234567e-100
    const { followed } = bothWays(twoSinks, given)
    const sizes = plainRecords(followed.outputs.records).map(writtenBytes)
    const largest = Math.max(...sizes)
    expect(sizes.indexOf(largest)).toBe(sizes.length - 1)
    const limits = { ...limitsOf(undefined), maxBytes: largest - 1 }
    expect(faultsOf({ ...given, limits })).toEqual([[2, 'second', 'OUTPUT_TOO_LARGE']])
  })

  test('whose timestamp the topic does not take', () => {
    const late = recordOf(eventOf(), 1, { timestampMs: START_MS - 3_600_000 })
    const [first, , last] = records as [LogRecord, LogRecord, LogRecord]
    const limits = { ...limitsOf(undefined), beforeMs: 60_000 }
    expect(faultsOf({ ...scored([first, late, last]), limits })).toEqual([
      [1, 'first', 'OUTPUT_TIMESTAMP'],
    ])
  })
})

describe('what is behind a model', () => {
  const Turn = z.discriminatedUnion('kind', [
    Base.extend({ kind: z.literal('said'), by: z.string() }),
    Base.extend({ kind: z.literal('done'), by: z.object({ name: z.string() }) }),
    Base.extend({ kind: z.literal('seen'), from: z.object({ name: z.string() }) }),
  ])
  type Seen = { from: { name: string } }
  const plain = (scores: Scores) => scores.map((s) => ({ id: s.event.id })).sink('plain')

  test('is written directly, sink by sink, where it merely picks', () => {
    expect(directTopics(twoSinks)).toEqual(['first', 'second'])
    expect(directTopics(scoring(Event, plain))).toEqual(['plain'])
  })

  test.each<[string, string[], Definition]>([
    [
      'beside a map that is called',
      ['plain'],
      scoring(Event, (scores) => [
        plain(scores),
        scores.map((s) => ({ note: s.event.note ?? '' })).sink('scores'),
      ]),
    ],
    [
      'behind a condition',
      ['plain'],
      scoring(Event, (scores) => plain(scores.where((s) => s.event.shop === null))),
    ],
    [
      'to two sinks of one map',
      ['a', 'b'],
      scoring(Event, (scores) => {
        const ids = scores.map((s) => ({ id: s.event.id }))
        return [ids.sink('a'), ids.sink('b')]
      }),
    ],
  ])('is written directly %s', (_, topics, definition) => {
    expect(directTopics(definition)).toEqual(topics)
    const shops = [null, 'x', null]
    const records = shops.map((shop, i) => recordOf(eventOf({ shop, note: 'n' }), i))
    const { direct, followed } = bothWays(definition, scored(records))
    expect(direct.outputs.records.length).toBeGreaterThan(0)
    expect(told(direct)).toEqual(told(followed))
  })

  test.each<[string, Definition]>([
    [
      'a sink has a key of its own',
      scoring(Event, (scores) =>
        scores.map((s) => ({ id: s.event.id })).sink('scores', { key: (of) => of.id }),
      ),
    ],
    ['a sink takes the score as it is', scoring(Event, (scores) => scores.sink('scores'))],
    [
      'a map is called',
      scoring(Event, (scores) => scores.map((s) => ({ n: s.score.p * 2 })).sink('scores')),
    ],
    [
      'there is a second map',
      scoring(Event, (scores) =>
        scores
          .map((s) => ({ id: s.event.id }))
          .map((of) => of.id)
          .sink('scores'),
      ),
    ],
    [
      'an output holds the event as a whole',
      scoring(Event, (scores) => scores.map((s) => ({ of: s.event, p: s.score.p })).sink('scores')),
    ],
    [
      'an output may be undefined',
      scoring(Event, (scores) => scores.map((s) => s.event.note).sink('scores')),
    ],
    [
      'a pick may throw',
      scoring(Event, (scores) =>
        scores.map((s) => ({ bank: (s.event.bank as { name: string }).name })).sink('scores'),
      ),
    ],
    [
      'a pick throws of events that have no such object',
      scoring(Turn as unknown as typeof Event, (scores) =>
        scores.map((s) => ({ from: (s.event as unknown as Seen).from.name })).sink('scores'),
      ),
    ],
    [
      'a field is an object in some events',
      scoring(Turn as unknown as typeof Event, (scores) =>
        scores.map((s) => ({ by: (s.event as Event & { by?: unknown }).by })).sink('scores'),
      ),
    ],
    [
      'the schema may change what is picked',
      scoring(Event.extend({ id: z.string().trim() }), (scores) =>
        scores.map((s) => ({ id: s.event.id })).sink('scores'),
      ),
    ],
  ])('is called where %s', (_, definition) => {
    expect(directTopics(definition)).toEqual([])
  })
})
