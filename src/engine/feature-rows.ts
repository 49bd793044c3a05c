import { TidemarkError } from '../kernel/errors.ts'
import type {
  FeatureDefinition,
  FeaturesStep,
  OnLate,
  ScoreStep,
  WhereStep,
} from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { nameOf } from '../topology/schema.ts'
import type { Arrivals, Flow } from './events.ts'
import { KindWindows, type Moment } from './kind-windows.ts'

// One features step: enters events into the windows and writes the rows of those that reach a model.

/** An event as it stands before a features step. */
interface Candidate extends Moment {
  readonly index: number
  readonly event: unknown
  readonly late: boolean
}

/** A model and the conditions before it. */
interface Path {
  readonly step: ScoreStep
  readonly conditions: readonly WhereStep[]
  /** For each column of the model's row, the feature that fills it. */
  readonly order: readonly number[]
}

interface OpenArrivals {
  readonly indices: number[]
  readonly events: unknown[]
  rows: Float32Array
}

/** The numbers that come from the event itself or from a table. */
type OwnFeature = Extract<FeatureDefinition, { from: 'value' | 'lookup' }> & { readonly at: number }

export class FeatureRows {
  readonly #step: FeaturesStep
  readonly #onLate: OnLate
  readonly #lookup: Lookup
  readonly #kinds: readonly KindWindows[]
  readonly #own: readonly OwnFeature[]
  readonly #paths: readonly Path[]
  /** The features of the event at hand, in the author's order, before they are rounded to float32. */
  readonly #row: Float64Array
  /** The rest of what is known of the event at hand: its kinds, its models. */
  readonly #isKind: boolean[]
  readonly #reaches: boolean[]

  constructor(step: FeaturesStep, onLate: OnLate, lookup: Lookup) {
    this.#step = step
    this.#onLate = onLate
    this.#lookup = lookup
    this.#kinds = step.kinds.map((_, kind) => new KindWindows(step, kind))
    this.#own = step.features.flatMap((f, at) =>
      f.from === 'value' || f.from === 'lookup' ? [{ ...f, at }] : [],
    )
    const names = step.features.map((f) => f.name)
    this.#paths = pathsOf(step).map((path) => ({
      ...path,
      order: path.step.model.features.map((name) => names.indexOf(name)),
    }))
    this.#row = new Float64Array(step.features.length)
    this.#isKind = step.kinds.map(() => false)
    this.#reaches = this.#paths.map(() => false)
  }

  /** Keys that hold memory, over all kinds. */
  get keys(): number {
    return this.#kinds.reduce((sum, kind) => sum + kind.keys, 0)
  }

  /** Takes events in log order. `fault` is told of each that cannot go on. */
  run(
    flow: Flow,
    fault: (index: number, step: string, error: TidemarkError) => void,
  ): { arrivals: Arrivals[]; late: number[] } {
    const late: number[] = []
    const open = this.#paths.map((path): OpenArrivals => {
      const rows = new Float32Array(flow.indices.length * path.order.length)
      return { indices: [], events: [], rows }
    })
    for (const index of flow.indices) {
      const candidate = candidateOf(flow, index)
      if (candidate.late) late.push(index)
      const error = this.#take(candidate, open)
      if (error !== null) fault(index, this.#step.name, error)
    }
    const arrivals = this.#paths.map(({ step, order }, p) => {
      const { indices, events, rows } = open[p] as OpenArrivals
      return { step, indices, events, rows: rows.subarray(0, indices.length * order.length) }
    })
    return { arrivals, late }
  }

  #take(candidate: Candidate, open: readonly OpenArrivals[]): TidemarkError | null {
    const { event, late } = candidate
    if (late && this.#onLate === 'drop') return null
    if (late && this.#onLate === 'dead-letter') return lateError(candidate)
    let reachesAny: boolean
    try {
      const badColumn = this.#readColumns(event)
      if (badColumn !== null) return badColumn
      reachesAny = this.#findModels(event)
      const badFeature = reachesAny ? this.#readOwn(event) : null
      if (badFeature !== null) return badFeature
    } catch (cause) {
      const what = `a function of the topology threw ${nameOf(cause)}`
      return new TidemarkError('FUNCTION_THREW', what, { cause })
    }
    // From here on nothing of the author's runs: an event enters all its windows or none.
    const row = reachesAny ? this.#row : null
    for (let k = 0; k < this.#kinds.length; k++) {
      const enters = (this.#isKind[k] as boolean) && !late
      if (enters || row !== null) this.#kinds[k]?.take(candidate, enters, row)
    }
    let first: TidemarkError | null = null
    for (let p = 0; p < this.#paths.length; p++) {
      if (!this.#reaches[p]) continue
      const error = this.#copyRow(candidate, this.#paths[p] as Path, open[p] as OpenArrivals)
      first ??= error
    }
    return first
  }

  #readColumns(event: unknown): TidemarkError | null {
    for (let k = 0; k < this.#kinds.length; k++) {
      const kind = this.#kinds[k] as KindWindows
      const isKind = kind.takes(event)
      this.#isKind[k] = isKind
      const bad = isKind ? kind.read(event) : null
      if (bad === null) continue
      const what = `column "${bad.column}" must be a ${bad.wanted}, got ${kindOf(bad.got)}`
      return new TidemarkError('COLUMN_INVALID', what)
    }
    return null
  }

  /** Notes which models the event reaches; is there any? */
  #findModels(event: unknown): boolean {
    let any = false
    for (let p = 0; p < this.#paths.length; p++) {
      const reaches = (this.#paths[p] as Path).conditions.every((c) => c.keep(event))
      this.#reaches[p] = reaches
      any ||= reaches
    }
    return any
  }

  #readOwn(event: unknown): TidemarkError | null {
    for (const feature of this.#own) {
      const value: unknown = this.#isKind[feature.kind] ? this.#valueOf(feature, event) : Number.NaN
      if (typeof value !== 'number') {
        // A typed array would make 0 of null and 12 of '12'.
        const what = `feature "${feature.name}" must be a number, got ${kindOf(value)}`
        return new TidemarkError('COLUMN_INVALID', what)
      }
      this.#row[feature.at] = value
    }
    return null
  }

  #valueOf(feature: OwnFeature, event: unknown): unknown {
    if (feature.from === 'value') return feature.of(event)
    const key = feature.key(event)
    const row = key === null ? undefined : this.#lookup(feature.table).get(key)
    return row === undefined ? Number.NaN : feature.of(row)
  }

  #copyRow(candidate: Candidate, path: Path, into: OpenArrivals): TidemarkError | null {
    const { order, step } = path
    const base = into.indices.length * order.length
    for (let c = 0; c < order.length; c++) {
      into.rows[base + c] = this.#row[order[c] as number] as number
      const value = into.rows[base + c] as number
      if (Number.isFinite(value) || (Number.isNaN(value) && step.missing === 'nan')) continue
      const name = step.model.features[c] as string
      const hint = `.score(model, { missing: 'nan' }) lets a missing value reach the model`
      const details = Number.isNaN(value) ? { hint } : {}
      return new TidemarkError('FEATURE_NOT_FINITE', `feature "${name}" is ${value}`, details)
    }
    into.indices.push(candidate.index)
    into.events.push(candidate.event)
    return null
  }
}

function candidateOf({ events, keys, timesMs, watermarksMs }: Flow, index: number): Candidate {
  const timeMs = timesMs[index] as number
  const watermarkMs = watermarksMs[index] as number
  const key = keys[index] as string
  return { index, key, timeMs, watermarkMs, late: timeMs < watermarkMs, event: events[index] }
}

function lateError({ timeMs, watermarkMs }: Candidate): TidemarkError {
  return new TidemarkError(
    'LATE',
    `event time ${timeMs} is ${watermarkMs - timeMs} ms behind the watermark ${watermarkMs}`,
  )
}

/** What a value is, for a message; not the value, which may be a payload's, but NaN and the infinities say what is wrong. */
function kindOf(value: unknown): string {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  return typeof value
}

/** Every model behind a features step, with the conditions on the way. */
function pathsOf(step: FeaturesStep): { step: ScoreStep; conditions: WhereStep[] }[] {
  const paths: { step: ScoreStep; conditions: WhereStep[] }[] = []
  const walk = (then: FeaturesStep['then'], conditions: WhereStep[]) => {
    for (const next of then) {
      if (next.op === 'where') walk(next.then, [...conditions, next])
      else if (next.op === 'score') paths.push({ step: next, conditions })
    }
  }
  walk(step.then, [])
  return paths
}
