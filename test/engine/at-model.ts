import type { ColumnForm } from '../../src/columns/columns.ts'
import { called, type Events } from '../../src/columns/events.ts'
import {
  type Degraded,
  NO_EVENTS,
  NONE_DEGRADED,
  type ReadyBatch,
} from '../../src/engine/events.ts'
import { openAll } from '../../src/engine/plan.ts'
import { ChunkRun } from '../../src/engine/run.ts'
import { Dictionary } from '../../src/engine/store/dictionary.ts'
import { StateUse } from '../../src/engine/store/state-limits.ts'
import { knownEvent, type ScoredBy } from '../../src/formats/json/known-values.ts'
import type { ScoreStep } from '../../src/topology/definition.ts'
import { HASH } from '../support/hash.ts'

interface AtModel {
  readonly indices: readonly number[]
  readonly events: Events
  /** Row-major [indices, features of the model]. */
  readonly rows: Float32Array
  readonly late?: ReadonlySet<number>
  readonly degraded?: Degraded
  /** Columns that the events may be in; `null`: outputs are made of objects only. @default null */
  readonly forms?: readonly ColumnForm[] | null
  readonly by?: readonly ScoredBy[]
}

const LIMITS = { maxKeys: 0, maxBytes: 0 }

/** Events that have reached a model with these features, of which some may not be finite. */
export function atModel(
  step: ScoreStep,
  { indices, events, rows, forms = null, by = [BY], ...marks }: AtModel,
): ReadyBatch {
  const { late = NO_EVENTS, degraded = NONE_DEGRADED } = marks
  const { features } = step
  const event = forms && knownEvent(forms)
  const input = {
    reader: called,
    shape: event && { eventOf: () => event, expression: null },
    features: { names: features, exact: [] },
  }
  const score = async () => null
  const { first } = openAll([step], input, {
    ...{ onLate: 'drop', lookup: () => new Map(), keys: new Dictionary(HASH), isWhole: true },
    ...{ use: new StateUse(LIMITS), scoring: () => ({ by, score, reused: () => {} }) },
  })
  const count = Math.max(-1, ...indices) + 1
  const byIndex = new Float32Array(count * features.length)
  for (const [row, index] of indices.entries()) {
    byIndex.set(
      rows.subarray(row * features.length, (row + 1) * features.length),
      index * features.length,
    )
  }
  const columns = {
    step: 'features',
    names: features,
    rows: byIndex,
    exact: new Float64Array(0),
    areFinite: true,
  }
  const none = new Float64Array(count)
  const batch = {
    ...{ count, indices, events, source: events, late, windows: null, degraded },
    ...{ keys: none, timesMs: none, watermarksMs: none, features: { ...columns, foundRows: null } },
  }
  const run = new ChunkRun('live')
  for (const operator of first) void Array.from(operator.process(batch, run))
  return run.takeReady()[0] as ReadyBatch
}

const BY = { label: 'm@1', route: 'm' }
