import * as fc from 'fast-check'
import type {
  DedupeStep,
  Definition,
  FeatureDefinition,
  FeaturesStep,
  Step,
  TumblingStep,
} from '../../src/topology/definition.ts'
import type { Lookup } from '../../src/topology/lookup.ts'
import type { OnLate } from '../../src/topology/source.ts'
import { arrivals, featuresSteps } from './arbitraries.ts'
import { topologyAround } from './engine-rows.ts'
import type { Arrival } from './oracle/naive-features.ts'

/** A topology of a dedupe step with steps behind it, and events of one partition in log order. */
export interface DedupeRun {
  readonly definition: Definition
  readonly dedupe: DedupeStep
  /** The tumbling windows behind it. */
  readonly windows: readonly TumblingStep[]
  readonly lagMs: number
  readonly onLate: OnLate
  readonly events: readonly Arrival[]
}

export const NO_TABLES: Lookup = () => new Map()

/** An event has one of few ids, or none. */
const by = (event: unknown) => (event as { shop: string }).shop

export const sink = { op: 'sink', name: 'out', topic: 'out', key: null } as const

/** Random steps behind the dedupe step: a sink, features, tumbling windows, or both. */
export function dedupeRuns(maxEvents: number): fc.Arbitrary<DedupeRun> {
  const settings = fc.record({
    lagMs: fc.constantFrom(0, 1_000, 30_000),
    onLate: fc.constantFrom<OnLate>('dead-letter', 'drop', 'score'),
    withinMs: fc.oneof(fc.constantFrom(1, 1_000, 60_000), fc.integer({ min: 1, max: 100_000 })),
    behind: fc.subarray<'features' | 'tumbling'>(['features', 'tumbling']),
    features: featuresSteps().map(bounded),
    graceMs: fc.constantFrom(0, 5_000, 60_000),
    lengthMs: fc.constantFrom(1_000, 60_000),
  })
  return settings.chain(({ lagMs, onLate, withinMs, behind, features, ...window }) => {
    const around = topologyAround(features, { lagMs, onLate })
    const tumbling = tumblingOf(window)
    const windows = behind.includes('tumbling') ? [tumbling] : []
    const rows = behind.includes('features') ? around.then : []
    const then: Step[] = [...rows, ...windows, ...(behind.length === 0 ? [sink] : [])]
    const dedupe = { op: 'dedupe', name: 'dedupe', by, withinMs, then } as const
    const definition = { ...around, then: [dedupe] }
    return arrivals(lagMs, maxEvents).map((events) => {
      return { definition, dedupe, windows, lagMs, onLate, events }
    })
  })
}

/** Without the features that remember for ever: then a replay would begin with the log. */
function bounded({ features, ...step }: FeaturesStep): FeaturesStep {
  const isBounded = (f: FeatureDefinition) =>
    f.from !== 'sinceLastEver' && !('which' in f && f.which === 'lastClosed')
  return { ...step, features: features.filter(isBounded) }
}

function tumblingOf(window: { readonly lengthMs: number; readonly graceMs: number }): TumblingStep {
  return {
    ...{ op: 'tumbling', name: 'tumbling', emit: 'final', ...window, then: [sink] },
    columns: { amount: (e) => (e as { amount: number }).amount },
    aggregates: { sum: { of: 'sum', column: 'amount' }, n: { of: 'count' } },
  }
}
