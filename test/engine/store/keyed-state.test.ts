import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Engine } from '../../../src/engine/engine.ts'
import { type KeyedState, STATE_VERSION } from '../../../src/engine/store/keyed-state.ts'
import type { Aggregate } from '../../../src/topology/aggregates.ts'
import type { Definition, TumblingStep } from '../../../src/topology/definition.ts'
import { runs } from '../../support/runs.ts'
import { arrivals, featureRuns } from '../arbitraries.ts'
import { batchOf, type Given } from '../batch.ts'
import { dedupeRuns } from '../dedupe-runs.ts'
import { engineFor } from '../engine-for.ts'
import { topologyAround } from '../engine-rows.ts'
import { type Whole, whole } from '../whole.ts'

// The state that operators keep of each key, taken out of one engine and put into another.

const KEYS = ['k1', 'k2', 'k3']
const T = Date.UTC(2026, 0, 1)
const MINUTE_MS = 60_000

const amount: Aggregate = { of: 'sum', column: 'amount' }
const SHOPS: readonly Aggregate[] = [
  { of: 'distinct', column: 'shop' },
  { of: 'last', column: 'shop', cell: 'any', empty: Number.NaN },
]
const SINK = { op: 'sink', name: 'out', topic: 'out', key: null } as const
const COLUMNS = {
  amount: (e: unknown) => (e as { amount: number }).amount,
  shop: (e: unknown) => (e as { shop: string }).shop,
}

function tumblingOf(options: { lagMs: number; graceMs: number; lengthMs: number }): Definition {
  const { lagMs, graceMs, lengthMs } = options
  const step: TumblingStep = {
    ...{ op: 'tumbling', name: 'windows', lengthMs, graceMs, emit: 'early', columns: COLUMNS },
    aggregates: { sum: amount, shops: SHOPS[0] as Aggregate, last: SHOPS[1] as Aggregate },
    then: [SINK],
  }
  const none = { op: 'features', name: 'none', kinds: [], features: [], then: [] } as const
  return { ...topologyAround(none, { lagMs, onLate: 'drop' }), then: [step] }
}

/** An engine's output, as text that keeps every bit. */
function outOf({ arrivals: arrived, late, duplicates, closed }: Whole): string {
  const rows = arrived.map(({ indices, windows, rows: row }) => {
    return { indices, windows: windows?.map(({ event, endMs }) => [event, endMs]), row: [...row] }
  })
  return JSON.stringify([rows, late, duplicates, [...closed]], (_, value: unknown) =>
    typeof value === 'number' ? String(value) : value,
  )
}

/** Another engine, which has all that this one keeps. */
function movedTo(engine: Engine, other: Engine): Engine {
  other.watermark.restore(engine.watermark.parts)
  const into = other.keyedStates
  for (const [s, state] of engine.keyedStates.entries()) {
    for (const key of KEYS) {
      const bytes = state.encode(engine.keyNumbers.numberOf(key))
      // Numbers of keys are of one engine.
      if (bytes !== null) into[s]?.restore(other.keyNumbers.numberOf(key), bytes)
    }
  }
  return other
}

/** Taken in chunks; after one of them all is moved. */
function answers(make: () => Engine, events: readonly Given[], movesAfter: number): string[] {
  let engine = make()
  const out: string[] = []
  for (let at = 0, n = 0; at < events.length; at += 7, n++) {
    out.push(outOf(whole(engine.process(batchOf(engine, events.slice(at, at + 7))))))
    if (n !== movesAfter) continue
    const other = make()
    other.keyNumbers.hold(other.keyNumbers.numberOf('some other key'))
    engine = movedTo(engine, other)
  }
  return out
}

const NEVER = -1

describe('what is moved to another engine goes on as if it had stayed', () => {
  test('features over every window and aggregate', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(featureRuns(150), fc.nat(20), ({ step, options, events }, after) => {
        const { lookup } = options
        const make = () => engineFor(topologyAround(step, options), { lookup })
        expect(answers(make, events, after)).toEqual(answers(make, events, NEVER))
      }),
      { numRuns: runs(200) },
    )
  })

  test('tumbling windows, open and closed', { timeout: 60_000 }, () => {
    const options = fc.record({
      lagMs: fc.constantFrom(0, 10_000),
      graceMs: fc.constantFrom(0, 60_000),
      lengthMs: fc.constantFrom(1_000, 60_000),
    })
    const property = fc.property(
      options.chain((o) => arrivals(o.lagMs, 150).map((events) => ({ ...o, events }))),
      fc.nat(20),
      ({ events, ...of }, after) => {
        const make = () => engineFor(tumblingOf(of))
        expect(answers(make, events, after)).toEqual(answers(make, events, NEVER))
      },
    )
    fc.assert(property, { numRuns: runs(200) })
  })

  test('ids that have come, and what is behind them', { timeout: 60_000 }, () => {
    const property = fc.property(dedupeRuns(100), fc.nat(20), ({ definition, events }, after) => {
      const make = () => engineFor(definition)
      expect(answers(make, events, after)).toEqual(answers(make, events, NEVER))
    })
    fc.assert(property, { numRuns: runs(100) })
  })
})

function engineForWindows(): Engine {
  const of = { lagMs: 0, graceMs: 0, lengthMs: MINUTE_MS }
  return engineFor(tumblingOf(of))
}

const pay = (key: string, atMs: number, shop = 's'): Given => {
  return { key, timeMs: T + atMs, event: { amount: 1, shop } }
}

function take(engine: Engine, ...events: readonly Given[]): void {
  whole(engine.process(batchOf(engine, events)))
}

describe('bytes of a key', () => {
  const engine = engineForWindows()
  take(engine, pay('k1', 0, 'é\ud800'), pay('k1', 1, 'shop'))
  const [state] = engine.keyedStates as [KeyedState]
  const bytes = state.encode(engine.keyNumbers.numberOf('k1')) as Uint8Array

  const restored = (of: Uint8Array) => {
    const other = engineForWindows()
    const key = other.keyNumbers.numberOf('k1')
    const [into] = other.keyedStates as [KeyedState]
    into.restore(key, of)
    return into.encode(key)
  }

  test('come back as they were', () => {
    expect(restored(bytes)).toEqual(bytes)
  })

  test('of another version are refused, which says so', () => {
    const older = Uint8Array.from(bytes)
    older[0] = STATE_VERSION - 1
    expect(() => restored(older)).toThrow(
      expect.objectContaining({ code: 'STATE_UNREADABLE', action: 'rebuild' }),
    )
    expect(() => restored(older)).toThrow(/version 0, but only version 1 can be read/)
  })

  const changedAt = (at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))
  test.each([
    { how: 'none', broken: new Uint8Array(0) },
    { how: 'too few', broken: bytes.subarray(0, 4) },
    { how: 'cut', broken: bytes.subarray(0, -1) },
    { how: 'one of them changed', broken: changedAt(1) },
    { how: 'one of the last changed', broken: changedAt(bytes.length - 1) },
  ])('that are not what was written are refused: $how', ({ broken }) => {
    expect(() => restored(broken)).toThrow(expect.objectContaining({ code: 'STATE_UNREADABLE' }))
  })
})

test('the keys that have changed since a round began are told, and no others', () => {
  const engine = engineForWindows()
  const [state] = engine.keyedStates as [KeyedState]
  const changed = (round: number) =>
    [...state.changedSince(round)].flat().map((key) => engine.keyNumbers.cellOf(key))
  const first = state.beginRound()
  take(engine, pay('k1', 0), pay('k2', 1), pay('k3', 2))
  expect(changed(first)).toEqual(['k1', 'k2', 'k3'])
  const second = state.beginRound()
  expect(changed(second)).toEqual([])
  take(engine, pay('k2', 3))
  expect(changed(second)).toEqual(['k2'])
  expect(changed(first)).toEqual(['k1', 'k2', 'k3'])
  // All windows close.
  take(engine, pay('k1', 5 * MINUTE_MS))
  expect(changed(first)).toEqual(['k1'])
})

test('a look at a key tells what its open windows come to, and changes nothing', () => {
  const engine = engineForWindows()
  const [state] = engine.keyedStates as [KeyedState]
  take(engine, pay('k1', 0, 'a'), pay('k1', 1, 'b'))
  const key = engine.keyNumbers.numberOf('k1')
  const at = { timeMs: T, watermarkMs: T }
  const before = state.encode(key)
  const window = { key: 'k1', windowStartMs: T, windowEndMs: T + MINUTE_MS, isFinal: false }
  expect(state.peek(key, at)).toEqual([{ ...window, sum: 2, shops: 2, last: 'b' }])
  expect(state.peek(engine.keyNumbers.numberOf('nobody'), at)).toEqual([])
  expect(state.encode(key)).toEqual(before)
})

test('a look at a key tells its features at a time, and changes nothing', () => {
  const lengthMs = MINUTE_MS
  const step = {
    op: 'features',
    name: 'features',
    kinds: [{ is: null, columns: COLUMNS }],
    features: [
      { name: 'own', from: 'value', kind: 0, of: COLUMNS.amount },
      { name: 'sum', from: 'rolling', kind: 0, lengthMs, aggregate: amount },
      { name: 'since', from: 'sinceLast', kind: 0, lengthMs, empty: -1 },
    ],
    then: [],
  } as const
  const around = topologyAround(step, { lagMs: 0, onLate: 'drop' })
  const engine = engineFor(around)
  const [state] = engine.keyedStates as [KeyedState]
  take(engine, pay('k1', 0), pay('k1', 1_000))
  const key = engine.keyNumbers.numberOf('k1')
  const lookAt = (ms: number) => state.peek(key, { timeMs: T + ms, watermarkMs: T + 1_000 })
  const before = state.encode(key)
  expect(lookAt(3_000)).toEqual([{ sum: 2, since: 2 }])
  expect(lookAt(60_500)).toEqual([{ sum: 1, since: 59.5 }])
  expect(lookAt(200_000)).toEqual([{ sum: 0, since: -1 }])
  expect(state.encode(key)).toEqual(before)
})

test('ids of a key come back as they were, also where one came at several times', () => {
  const by = (e: unknown) => (e as { shop: string }).shop
  const dedupe = { op: 'dedupe', name: 'dedupe', by, withinMs: 1_000, then: [SINK] } as const
  const none = { op: 'features', name: 'none', kinds: [], features: [], then: [] } as const
  const around = topologyAround(none, { lagMs: MINUTE_MS, onLate: 'drop' })
  const make = () => engineFor({ ...around, then: [dedupe] })
  const engine = make()
  const [state] = engine.keyedStates as [KeyedState]
  const times = [5_000, 0, 9_000, 5_500, 8_500]
  take(engine, ...times.map((atMs) => pay('k1', atMs, 'é\ud800')), pay('k1', 3, 'b'))
  const key = engine.keyNumbers.numberOf('k1')
  const bytes = state.encode(key) as Uint8Array
  const other = make()
  const [into] = other.keyedStates as [KeyedState]
  expect(into.encode(other.keyNumbers.numberOf('k1'))).toBeNull()
  into.restore(other.keyNumbers.numberOf('k1'), bytes)
  expect(into.encode(other.keyNumbers.numberOf('k1'))).toEqual(bytes)
  expect(state.peek(key, { timeMs: T, watermarkMs: T })).toEqual([])
})
