import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Engine } from '../../src/engine/engine.ts'
import type { StateLimits } from '../../src/engine/store/state-limits.ts'
import type { DedupeStep, Definition, Step } from '../../src/topology/definition.ts'
import type { OnLate } from '../../src/topology/source.ts'
import { runs } from '../support/runs.ts'
import { batchOf, type Given } from './batch.ts'
import { type DedupeRun, dedupeRuns, NO_TABLES, sink } from './dedupe-runs.ts'
import { engineFor } from './engine-for.ts'
import { topologyAround } from './engine-rows.ts'
import { naiveDedupe } from './oracle/naive-dedupe.ts'
import { scanningEngine } from './scanned-batch.ts'
import { type Whole, whole } from './whole.ts'

// Events whose id has come before.

const T = Date.UTC(2026, 0, 1)
const WITHIN_MS = 10_000

interface Options {
  readonly lagMs?: number
  readonly onLate?: OnLate
  readonly then?: readonly Step[]
  readonly by?: DedupeStep['by']
  readonly limits?: StateLimits
}

const NO_FEATURES = { op: 'features', name: 'none', kinds: [], features: [], then: [] } as const

function definitionOf({ lagMs = 0, onLate = 'drop', then = [sink], by = idOf }: Options) {
  const step: DedupeStep = { op: 'dedupe', name: 'dedupe', by, withinMs: WITHIN_MS, then }
  return { ...topologyAround(NO_FEATURES, { lagMs, onLate }), then: [step] }
}

function idOf(event: unknown): string {
  return (event as { id: string }).id
}

function engineOf(options: Options = {}): Engine {
  const { limits } = options
  const engine = { lookup: NO_TABLES, ...(limits === undefined ? {} : { limits }) }
  return engineFor(definitionOf(options), engine)
}

const sent = (id: string, atMs: number, key = 'k'): Given => {
  return { key, timeMs: T + atMs, event: { id } }
}

/** The events' places in their chunk, by outcome, and the codes of faults. */
function take(engine: Engine, ...events: readonly Given[]) {
  const result = whole(engine.process(batchOf(engine, events)))
  return {
    passed: result.arrivals.flatMap(({ indices }) => indices),
    duplicates: result.duplicates,
    late: result.late.flatMap(({ indices }) => indices),
    codes: result.faults.map(({ error }) => error.code),
  }
}

const NOTHING = { passed: [], duplicates: [], late: [], codes: [] }

describe('an event is a duplicate', () => {
  const lagMs = 60_000
  test.each<[string, readonly Given[], readonly number[]]>([
    ['if its id has come before', [sent('a', 0), sent('b', 0), sent('a', 5)], [2]],
    ['less than `within` later', [sent('a', 0), sent('a', WITHIN_MS - 1)], [1]],
    ['or earlier: arrival may be out of order', [sent('a', WITHIN_MS - 1), sent('a', 0)], [1]],
    ['not if it is `within` later', [sent('a', 0), sent('a', WITHIN_MS)], []],
    ['nor if it is `within` earlier', [sent('a', WITHIN_MS), sent('a', 0)], []],
    ['only of its own key', [sent('a', 0, 'k'), sent('a', 0, 'l'), sent('a', 1, 'k')], [2]],
    [
      'also of another duplicate',
      [sent('a', 0), sent('a', 9_000), sent('a', 18_000), sent('a', 28_000)],
      [1, 2],
    ],
    [
      'of either of two that are apart',
      [sent('a', 0), sent('a', 40_000), sent('a', 31_000), sent('a', 9_000), sent('a', 20_000)],
      [2, 3],
    ],
    [
      'of any text, compared exactly',
      [sent('é', 0), sent('e\u0301', 0), sent('\ud800', 0), sent('\ud801', 0), sent('\ud800', 1)],
      [4],
    ],
  ])('%s', (_, events, duplicates) => {
    const { passed, ...others } = take(engineOf({ lagMs }), ...events)
    expect(others).toEqual({ duplicates, late: [], codes: [] })
    expect(passed).toEqual(events.map((_event, i) => i).filter((i) => !duplicates.includes(i)))
  })
})

test('a duplicate moves the watermark as any event does', () => {
  const engine = engineOf()
  take(engine, sent('a', 0), sent('a', 5_000))
  expect(engine.watermark.nowMs).toBe(T + 5_000)
})

describe('an event behind the watermark is late before it is a duplicate', () => {
  const events = [sent('a', 0), sent('b', 5_000), sent('a', 4_999), sent('a', 5_000)]
  test.each([
    ['drop', { ...NOTHING, passed: [0, 1], duplicates: [3], late: [2] }],
    ['dead-letter', { ...NOTHING, passed: [0, 1], duplicates: [3], late: [2], codes: ['LATE'] }],
    ['score', { ...NOTHING, passed: [0, 1, 2], duplicates: [3], late: [2] }],
  ] as const)('onLate: %s', (onLate, outcome) => {
    expect(take(engineOf({ onLate }), ...events)).toEqual(outcome)
  })

  test('and is not remembered', () => {
    const engine = engineOf({ onLate: 'score' })
    const { passed, duplicates } = take(engine, sent('b', 5_000), sent('a', 0), sent('a', 5_000))
    expect([passed, duplicates]).toEqual([[0, 1, 2], []])
  })

  test('with "score" it goes on as a late event', () => {
    const engine = engineOf({ onLate: 'score' })
    const { arrivals } = whole(engine.process(batchOf(engine, events)))
    expect(arrivals.map(({ late }) => [...late])).toEqual([[2]])
  })

  test('unless a tumbling window behind the step still takes it', () => {
    const tumbling = {
      op: 'tumbling',
      name: 'minutes',
      lengthMs: 60_000,
      graceMs: 1_000,
      emit: 'early',
      columns: {},
      aggregates: { n: { of: 'count' } },
      then: [sink],
    } as const
    const engine = engineOf({ then: [tumbling] })
    expect(take(engine, sent('a', 0), sent('b', 55_000))).toMatchObject({ duplicates: [] })
    const open = [sent('a', 1), sent('c', 2)]
    expect(take(engine, ...open)).toMatchObject({ duplicates: [0], late: [] })
    const closed = [sent('d', 61_000), sent('a', 1), sent('b', 60_000)]
    expect(take(engine, ...closed)).toMatchObject({ duplicates: [2], late: [1] })
  })
})

test.each<[string, DedupeStep['by'], object]>([
  ['empty', () => '', idInvalid('empty text')],
  ['a number', () => 7 as never, idInvalid('number')],
  ['missing', () => undefined as never, idInvalid('undefined')],
  [
    'thrown',
    () => {
      throw new RangeError('secret')
    },
    { code: 'FUNCTION_THREW', message: 'a function of the topology threw RangeError' },
  ],
])('an id that is %s makes its event a dead letter of the step', (_, by, error) => {
  const engine = engineOf({ by })
  const { faults } = whole(engine.process(batchOf(engine, [sent('a', 0)])))
  expect(faults).toMatchObject([{ of: 0, step: 'dedupe', error }])
})

function idInvalid(got: string) {
  return { code: 'ID_INVALID', message: `by must return text that is not empty, got ${got}` }
}

test('an event that a `where` before the step left out is not remembered', () => {
  const { then, ...rest } = definitionOf({})
  const keep = (event: unknown) => (event as { isKept?: boolean }).isKept === true
  const where = { op: 'where', name: 'where', keep, then } as const
  const engine = engineFor({ ...rest, then: [where] }, { lookup: NO_TABLES })
  const kept = { ...sent('a', 0), event: { id: 'a', isKept: true } }
  expect(take(engine, sent('a', 0), kept, kept)).toMatchObject({ passed: [1], duplicates: [2] })
})

describe('what is remembered', () => {
  const NO_LIMITS = { maxKeys: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY }

  test('is evicted when the watermark has passed it by `within`, and no sooner', () => {
    const engine = engineOf()
    take(engine, sent('a', 0))
    const bytes = engine.use.bytes
    const many = Array.from({ length: 500 }, (_, i) => sent(`id ${i}`, 0, `key ${i}`))
    take(engine, ...many)
    expect(engine.use.keys).toBe(501)
    const full = engine.use.bytes
    expect(full).toBeGreaterThan(bytes + 500 * 100)
    take(engine, sent('b', WITHIN_MS - 1))
    expect(take(engine, sent('a', WITHIN_MS - 1))).toMatchObject({ duplicates: [0] })
    take(engine, sent('b', 10 * WITHIN_MS))
    expect(engine.use.keys).toBe(1)
    expect(engine.use.bytes).toBeLessThan(full - 500 * 72)
  })

  test.each([
    ['keys', { ...NO_LIMITS, maxKeys: 1 }, sent('b', 0, 'l')],
    ['texts', { ...NO_LIMITS, maxKeys: 1 }, sent('b', 0)],
    ['bytes', { ...NO_LIMITS, maxBytes: 1 }, sent('b', 0)],
  ])('is within the limit of %s; a duplicate needs no room', (_, limits, more) => {
    const engine = engineOf({ limits })
    expect(take(engine, sent('a', 0)).codes).toEqual([])
    expect(take(engine, more, sent('a', 1))).toMatchObject({
      codes: ['STATE_LIMIT'],
      duplicates: [1],
    })
  })

  test('leaves room again when time has passed', () => {
    const engine = engineOf({ limits: { ...NO_LIMITS, maxKeys: 1 } })
    take(engine, sent('a', 0))
    expect(take(engine, sent('b', 3 * WITHIN_MS, 'l')).codes).toEqual(['STATE_LIMIT'])
    expect(take(engine, sent('c', 3 * WITHIN_MS, 'l')).codes).toEqual([])
  })
})

/** The output behind the step, as text that keeps every bit. */
function outOf({ arrivals, closed }: Whole): string {
  const rows = arrivals.map(({ step, indices, windows, rows: row }) => {
    return [step.name, indices, windows?.map(({ event, endMs }) => [event, endMs]), [...row]]
  })
  return JSON.stringify([rows, [...closed]], (_, value: unknown) =>
    typeof value === 'number' ? String(value) : value,
  )
}

/** The same topology with the step's place taken by a `where` that keeps these events. */
function keeping(run: DedupeRun, kept: ReadonlySet<unknown>): Definition {
  const { then } = run.dedupe
  const keep = (event: unknown) => kept.has(event)
  return { ...run.definition, then: [{ op: 'where', name: 'where', keep, then }] }
}

test('duplicates are those of the naive oracle, and what follows sees the others alone', () => {
  const property = fc.property(dedupeRuns(100), fc.integer({ min: 1, max: 40 }), (run, size) => {
    const events = run.events.map((e) => ({ ...e, event: { ...(e.event as object) } }))
    const { by, withinMs } = run.dedupe
    const oracle = { by, withinMs, lagMs: run.lagMs, windows: run.windows }
    const decisions = naiveDedupe(oracle, events)
    const passes = run.onLate === 'score' ? ['first', 'late'] : ['first']
    const kept = new Set(
      events.flatMap(({ event }, i) => (passes.includes(decisions[i] as string) ? [event] : [])),
    )
    const engine = engineFor(run.definition, { lookup: NO_TABLES })
    const without = engineFor(keeping(run, kept), { lookup: NO_TABLES })
    for (let at = 0; at < events.length; at += size) {
      const chunk = events.slice(at, at + size)
      const result = whole(engine.process(batchOf(engine, chunk)))
      const those = (decision: string) =>
        chunk.flatMap((_, i) => (decisions[at + i] === decision ? [i] : []))
      expect(result.duplicates).toEqual(those('duplicate'))
      const late = result.late.filter(({ step }) => step === 'dedupe')
      expect(late.flatMap(({ indices }) => indices)).toEqual(those('late'))
      const nameless = result.faults.filter(({ error }) => error.code === 'ID_INVALID')
      expect(nameless.map(({ of }) => of)).toEqual(those('nameless'))
      expect(outOf(result)).toBe(outOf(whole(without.process(batchOf(without, chunk)))))
    }
  })
  fc.assert(property, { numRuns: runs(200) })
})

const Order = z.object({ id: z.string(), card: z.string(), at: z.int() })

test('ids are read from scanned columns as from objects', () => {
  const source = {
    ...definitionOf({}).source,
    schema: Order,
    key: (o: unknown) => (o as { card: string }).card,
    eventTimeMs: (o: unknown) => (o as { at: number }).at,
  }
  const pick = (o: unknown) => (o as { id: string }).id
  const orders = fc.array(
    fc.record({
      id: fc.oneof(
        fc.constantFrom('a', 'b', '', 'Zürich', 'x'.repeat(300)),
        fc.string({ unit: 'grapheme' }),
      ),
      card: fc.constantFrom('c', 'd'),
      at: fc.integer({ min: T, max: T + 20_000 }),
    }),
    { maxLength: 60 },
  )
  const property = fc.property(orders, (all) => {
    const definition = { ...definitionOf({ by: pick, lagMs: 30_000 }), source }
    const scanning = scanningEngine(definition, { lookup: NO_TABLES })
    const events = all.map((event) => ({ key: event.card, timeMs: event.at, event }))
    const scanned = whole(scanning.engine.process(scanning.batch(events)))
    const calling = engineFor(definition, { lookup: NO_TABLES })
    const called = whole(calling.process(batchOf(calling, events)))
    expect(scanned.duplicates).toEqual(called.duplicates)
    expect(scanned.faults).toEqual(called.faults)
  })
  fc.assert(property, { numRuns: runs(200) })
})
