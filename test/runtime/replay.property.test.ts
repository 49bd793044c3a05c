import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { horizonOf } from '../../src/engine/plan.ts'
import type { RunMode } from '../../src/engine/run.ts'
import { ReplayPoints } from '../../src/runtime/commit/restart-plan.ts'
import type { Definition, FeaturesStep, TumblingStep } from '../../src/topology/definition.ts'
import type { Lookup } from '../../src/topology/lookup.ts'
import { arrivals, featureRuns } from '../engine/arbitraries.ts'
import { batchOf } from '../engine/batch.ts'
import { dedupeRuns, NO_TABLES } from '../engine/dedupe-runs.ts'
import { engineFor } from '../engine/engine-for.ts'
import { topologyAround } from '../engine/engine-rows.ts'
import type { Arrival } from '../engine/oracle/naive-features.ts'
import { whole } from '../engine/whole.ts'
import { runs } from '../support/runs.ts'

// A worker that is restarted again and again, with nothing but the point that was kept, against one
// that never stops.

interface Setting {
  readonly definition: Definition
  readonly lookup: Lookup
  readonly chunk: number
}

const START = { offset: 0, newestMs: Number.NEGATIVE_INFINITY, idleMs: Number.NEGATIVE_INFINITY }

/** The outputs, late events and duplicates, as text that keeps every bit. */
function outOf(engine: Engine, events: readonly Arrival[], mode: RunMode): string[] {
  const result = whole(engine.process(batchOf(engine, events), mode))
  if (mode === 'replay') {
    expect(result.arrivals).toEqual([])
    return []
  }
  const late = result.late.flatMap((l) =>
    l.indices.map((i) => `late ${l.step} ${events[i]?.timeMs}`),
  )
  const duplicates = result.duplicates.map((i) => `duplicate ${JSON.stringify(events[i])}`)
  const out = result.arrivals.flatMap((a) => {
    const width = a.rows.length / Math.max(a.indices.length, 1)
    return a.indices.map((index, i) => {
      const row = [...a.rows.subarray(i * width, (i + 1) * width)]
      return JSON.stringify([a.events.at(index), row.map(String)])
    })
  })
  return [...late, ...duplicates, ...out]
}

function uninterrupted(
  { definition, lookup, chunk }: Setting,
  events: readonly Arrival[],
): string[] {
  const engine = engineFor(definition, { lookup })
  const out: string[] = []
  for (let at = 0; at < events.length; at += chunk) {
    out.push(...outOf(engine, events.slice(at, at + chunk), 'live'))
  }
  return out
}

/** After each chunk it may be restarted; the n-th answer says whether. */
function restarted(
  { definition, lookup, chunk }: Setting,
  events: readonly Arrival[],
  restarts: readonly boolean[],
): string[] {
  const span = spanOf(definition)
  let engine = engineFor(definition, { lookup })
  let points = new ReplayPoints(span, START)
  const out: string[] = []
  const take = (from: number, to: number, mode: RunMode) => {
    points.add(from, engine.watermark.parts)
    out.push(...outOf(engine, events.slice(from, to), mode))
  }
  for (let at = 0, n = 0; at < events.length; at += chunk, n++) {
    take(at, at + chunk, 'live')
    if (restarts[n % restarts.length] !== true) continue
    const from = points.at(engine.watermark.nowMs)
    const watermarkMs = engine.watermark.nowMs
    engine = engineFor(definition, { lookup })
    engine.watermark.restore(from)
    points = new ReplayPoints(span, from)
    const end = Math.min(at + chunk, events.length)
    // Chunks are cut elsewhere the second time.
    for (let again = from.offset; again < end; again += 7)
      take(again, Math.min(again + 7, end), 'replay')
    expect(engine.watermark.nowMs).toBe(watermarkMs)
  }
  return out
}

function spanOf(definition: Definition) {
  const { lagMs } = definition.source.watermark
  return { horizonMs: horizonOf(definition).lengthMs, lagMs }
}

const restarts = fc.array(fc.boolean(), { minLength: 1, maxLength: 10 })
const chunk = fc.integer({ min: 1, max: 20 })

test('rows over every window and aggregate are the same after any restarts', () => {
  const property = fc.property(featureRuns(150), chunk, restarts, (run, size, when) => {
    const { step, options, events } = run
    const definition = topologyAround(step, options)
    const setting = { definition, lookup: options.lookup, chunk: size }
    expect(restarted(setting, events, when)).toEqual(uninterrupted(setting, events))
  })
  fc.assert(property, { numRuns: runs(300) })
})

test('where memory is bounded a restart reads only the last part of the log', () => {
  const definition = topologyAround(minuteFeatures('rolling'), { lagMs: 0, onLate: 'drop' })
  const points = new ReplayPoints(spanOf(definition), START)
  for (let i = 0; i < 10_000; i++) {
    points.add(i, { newestMs: i * 1_000, idleMs: Number.NEGATIVE_INFINITY })
  }
  // 60 s of events, and what the index is sparse by.
  expect(points.at(9_999_000).offset).toBeGreaterThan(9_999 - 62)
  expect(points.at(9_999_000).offset).toBeLessThanOrEqual(9_999 - 60)
})

test('closed windows, and rows over them, are the same after any restarts, each once', () => {
  const options = fc.record({
    lagMs: fc.constantFrom(0, 10_000),
    graceMs: fc.constantFrom(0, 5_000, 60_000),
    lengthMs: fc.constantFrom(1_000, 60_000),
    features: fc.constantFrom<'rolling' | 'sinceLast' | null>('rolling', 'sinceLast', null),
  })
  const property = fc.property(
    options.chain((o) => arrivals(o.lagMs, 150).map((events) => ({ ...o, events }))),
    chunk,
    restarts,
    ({ lagMs, graceMs, lengthMs, features, events }, size, when) => {
      const inner = topologyAround(minuteFeatures(features ?? 'rolling'), {
        lagMs,
        onLate: 'drop',
      })
      const sink = { op: 'sink', name: 'out', topic: 'out', key: null } as const
      const tumbling: TumblingStep = {
        op: 'tumbling',
        name: 'tumbling',
        lengthMs,
        graceMs,
        emit: 'final',
        columns: { amount: (e) => (e as { amount: number }).amount },
        aggregates: { sum: { of: 'sum', column: 'amount' }, n: { of: 'count' } },
        then: features === null ? [sink] : inner.then,
      }
      const definition = { ...inner, then: [tumbling] }
      const setting = { definition, lookup: () => new Map(), chunk: size }
      const out = restarted(setting, events, when)
      expect(out).toEqual(uninterrupted(setting, events))
    },
  )
  fc.assert(property, { numRuns: runs(300) })
})

test('duplicates, and all that follows them, are the same after any restarts', () => {
  const property = fc.property(dedupeRuns(100), chunk, restarts, (run, size, when) => {
    const setting = { definition: run.definition, lookup: NO_TABLES, chunk: size }
    expect(restarted(setting, run.events, when)).toEqual(uninterrupted(setting, run.events))
  })
  fc.assert(property, { numRuns: runs(150) })
})

test('a replay begins so far back that it finds what the first events of a window duplicate', () => {
  // The second half of each 18 s repeats the first.
  const events = Array.from({ length: 300 }, (_, second) => {
    const id = `${Math.floor(second / 18)}-${second % 9}`
    return { key: 'k', timeMs: second * 1_000, event: { id, sum: second } }
  })
  const around = topologyAround(minuteFeatures('rolling'), { lagMs: 0, onLate: 'drop' })
  const by = (event: unknown) => (event as { id: string }).id
  const { then } = around
  const dedupe = { op: 'dedupe', name: 'dedupe', by, withinMs: 10_000, then } as const
  const setting = { definition: { ...around, then: [dedupe] }, lookup: NO_TABLES, chunk: 1 }
  const whatOneRunGives = uninterrupted(setting, events)
  expect(whatOneRunGives.filter((out) => out.startsWith('duplicate')).length).toBeGreaterThan(100)
  expect(restarted(setting, events, [true])).toEqual(whatOneRunGives)
})

/** Over a minute of what has a `sum`, or since the last one, which is remembered for a minute. */
function minuteFeatures(kind: 'rolling' | 'sinceLast'): FeaturesStep {
  const features: FeaturesStep['features'] =
    kind === 'rolling'
      ? [
          { name: 'n', from: 'rolling', kind: 0, lengthMs: 60_000, aggregate: { of: 'count' } },
          {
            name: 's',
            from: 'rolling',
            kind: 0,
            lengthMs: 30_000,
            aggregate: { of: 'sum', column: 'sum' },
          },
        ]
      : [{ name: 'since', from: 'sinceLast', kind: 0, lengthMs: 60_000, empty: 60 }]
  return {
    op: 'features',
    name: 'features',
    kinds: [{ is: null, columns: { sum: (e) => (e as { sum: number }).sum } }],
    features,
    then: [],
  }
}
