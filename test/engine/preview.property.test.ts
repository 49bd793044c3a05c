import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { RunMode } from '../../src/engine/run.ts'
import { minutes } from '../../src/kernel/time.ts'
import type { Aggregate } from '../../src/topology/aggregates.ts'
import type { Definition, FeaturesStep } from '../../src/topology/definition.ts'
import type { Lookup } from '../../src/topology/lookup.ts'
import { runs } from '../support/runs.ts'
import { featureRuns, START_MS } from './arbitraries.ts'
import { batchOf } from './batch.ts'
import { dedupeRuns, NO_TABLES } from './dedupe-runs.ts'
import { engineFor } from './engine-for.ts'
import { topologyAround } from './engine-rows.ts'
import type { Arrival } from './oracle/naive-features.ts'
import { whole } from './whole.ts'

interface Sample {
  readonly amount: number
  readonly shop: string
}

// A preview against the engine itself: each event is previewed, and then it comes.

/** The outcome of an event, without the results of windows. */
function outcome(engine: Engine, event: Arrival, mode: RunMode) {
  const { late, duplicates, faults, arrivals, ready } = whole(
    engine.process(batchOf(engine, [event]), mode, mode === 'preview' ? event : null),
  )
  const isOwn = ({ windows }: { readonly windows: unknown }) => windows === null
  return {
    late,
    duplicates,
    faults: faults.filter(({ of }) => of === 0).map(({ step, error }) => [step, error.code]),
    rows: arrivals.filter(isOwn).map(({ rows, indices }) => [indices, rows]),
    ready: ready.filter(isOwn).map(({ step, degraded, late: behind }) => [step, degraded, behind]),
  }
}

function isPreviewed(definition: Definition, lookup: Lookup, events: readonly Arrival[]): void {
  const engine = engineFor(definition, { lookup })
  const undisturbed = engineFor(definition, { lookup })
  for (const [i, event] of events.entries()) {
    // Another one, which may be far ahead, leaves no trace either.
    outcome(engine, events[(i * 7_919) % events.length] as Arrival, 'preview')
    const preview = outcome(engine, event, 'preview')
    const came = outcome(engine, event, 'live')
    expect(preview).toEqual(came)
    expect(came).toEqual(outcome(undisturbed, event, 'live'))
  }
  expect(engine.watermark.parts).toEqual(undisturbed.watermark.parts)
  const { keys, bytes, texts } = engine.use
  expect({ keys, texts }).toEqual({ keys: undisturbed.use.keys, texts: undisturbed.use.texts })
  // Tables of numbers may have grown.
  expect(bytes).toBeLessThan(2 * undisturbed.use.bytes + 10_000)
}

describe('a preview', () => {
  test('is what the engine then gives, and changes nothing', () => {
    fc.assert(
      fc.property(featureRuns(150), ({ step, options, events }) => {
        isPreviewed(topologyAround(step, options), options.lookup, events)
      }),
      { numRuns: runs(100) },
    )
  })

  test('also behind duplicates, and beside tumbling windows', () => {
    fc.assert(
      fc.property(dedupeRuns(100), ({ definition, events }) => {
        isPreviewed(definition, NO_TABLES, events)
      }),
      { numRuns: runs(100) },
    )
  })

  // Quantiles keep blocks from being added up ahead.
  test.each<[string, Aggregate]>([
    ['with sums alone', { of: 'distinct', column: 'shop' }],
    ['with quantiles', { of: 'quantile', column: 'amount', empty: 0, q: 0.9 }],
  ])('also of a key with hundreds of events, whose blocks it may belong to, %s', (_, last) => {
    const aggregates: readonly Aggregate[] = [
      { of: 'std', column: 'amount', empty: 0 },
      { of: 'first', column: 'amount', cell: 'number', empty: 0 },
      { of: 'distinct', column: 'shop' },
      last,
    ]
    const step: FeaturesStep = {
      ...{ op: 'features', name: 'features', then: [] },
      kinds: [
        {
          is: null,
          columns: { amount: (e) => (e as Sample).amount, shop: (e) => (e as Sample).shop },
        },
      ],
      features: [5_000, 20_000, 100_000].flatMap((lengthMs) =>
        aggregates.map((aggregate, i) => {
          return {
            name: `f${lengthMs}-${i}`,
            kind: 0,
            from: 'rolling',
            lengthMs,
            aggregate,
          } as const
        }),
      ),
    }
    const events = Array.from({ length: 600 }, (__, i) => {
      // One in seven is late by up to most of the history.
      const behindMs = i % 7 === 3 ? (i * 7_919) % 14_000 : 0
      const event: Sample = {
        amount: ((i * 104_729) % 10_007) / 100,
        shop: `s${i % 5 === 0 ? i : (i * i) % 211}`,
      }
      return { key: 'k1', timeMs: START_MS + i * 10 - behindMs, event }
    })
    const definition = topologyAround(step, { lagMs: minutes(1), onLate: 'score' })
    expect(() => {
      isPreviewed(definition, NO_TABLES, events)
    }).not.toThrow()
  })
})
