import { TidemarkError } from '../kernel/errors.ts'
import type {
  FeatureDefinition,
  FeaturesStep,
  OnLate,
  ScoreStep,
  WhereStep,
} from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import type { Arrivals, Flow } from './events.ts'
import { badColumn, kindOf, lateError, threw } from './faults.ts'
import { KindWindows, type Moment } from './kind-windows.ts'
import { isMissing } from './missing.ts'
import type { StateUse } from './state-limits.ts'

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

export interface FeatureRun {
  /** Told of each event that cannot go on. */
  readonly fault: (index: number, error: TidemarkError) => void
  /** Does somebody want the rows? Else events only enter the windows. */
  readonly isWanted: boolean
}

/** The numbers that come from the event itself or from a table. */
type OwnFeature = Extract<FeatureDefinition, { from: 'value' | 'lookup' }> & { readonly at: number }

export class FeatureRows {
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
  readonly #use: StateUse
  /** That of the events it has taken: those of windows lag behind the source's. */
  #watermarkMs = Number.NEGATIVE_INFINITY

  constructor(
    step: FeaturesStep,
    onLate: OnLate,
    { lookup, use }: { lookup: Lookup; use: StateUse },
  ) {
    this.#onLate = onLate
    this.#lookup = lookup
    this.#use = use
    this.#kinds = step.kinds.map((_, kind) => new KindWindows(step, kind, use))
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

  /** Bytes that the windows hold. */
  get bytes(): number {
    return this.#kinds.reduce((sum, kind) => sum + kind.bytes, 0)
  }

  /** Texts that the windows hold. */
  get texts(): number {
    return this.#kinds.reduce((sum, kind) => sum + kind.texts, 0)
  }

  /** Lets go keys that the watermark has left behind, looking at no more than `most` of each kind. */
  sweep(most: number): void {
    for (const kind of this.#kinds) kind.sweep(this.#watermarkMs, most)
  }

  /** Takes events in log order. */
  run(flow: Flow, { fault, isWanted }: FeatureRun): { arrivals: Arrivals[]; late: number[] } {
    this.#watermarkMs = Math.max(this.#watermarkMs, flow.watermarksMs.at(-1) ?? this.#watermarkMs)
    const late: number[] = []
    const open = this.#paths.map((path): OpenArrivals => {
      const rows = new Float32Array(isWanted ? flow.indices.length * path.order.length : 0)
      return { indices: [], events: [], rows }
    })
    for (const index of flow.indices) {
      const candidate = candidateOf(flow, index)
      if (candidate.late) late.push(index)
      const error = this.#take(candidate, isWanted ? open : null)
      if (error !== null) fault(index, error)
    }
    const lateOnes = new Set(late)
    const arrivals = this.#paths.map(({ step, order }, p) => {
      const { indices, events, rows } = open[p] as OpenArrivals
      const written = rows.subarray(0, indices.length * order.length)
      return { step, indices, windows: flow.windows, events, late: lateOnes, rows: written }
    })
    return { arrivals, late }
  }

  /** @param open `null`: it only enters the windows */
  #take(candidate: Candidate, open: readonly OpenArrivals[] | null): TidemarkError | null {
    const { late } = candidate
    if (late && this.#onLate === 'drop') return null
    if (late && this.#onLate === 'dead-letter') {
      return lateError(candidate.timeMs, candidate.watermarkMs)
    }
    const bad = this.#readColumns(candidate.event)
    if (bad !== null) return bad
    const full = late ? null : this.#refusal(candidate.key)
    if (full !== null) return full
    // What the windows hold depends on the columns alone, never on a table, a model or a condition before one: so it enters
    // also when its own row comes to nothing.
    const unfit = open === null ? null : this.#readOwnRow(candidate.event)
    const reachesAny = open !== null && unfit === null && this.#reaches.includes(true)
    const row = reachesAny ? this.#row : null
    for (let k = 0; k < this.#kinds.length; k++) {
      const enters = (this.#isKind[k] as boolean) && !late
      if (enters || row !== null) this.#kinds[k]?.take(candidate, enters, row)
    }
    return reachesAny ? this.#copyRows(candidate, open) : unfit
  }

  /** Why an event of the key may not enter. Whether the key is new is looked up only where that decides. */
  #refusal(key: string): TidemarkError | null {
    if (this.#use.hasRoom(this.#kinds.length)) return null
    return this.#use.refusal(
      this.#kinds.filter((kind, k) => this.#isKind[k] && !kind.has(key)).length,
    )
  }

  #readColumns(event: unknown): TidemarkError | null {
    try {
      for (let k = 0; k < this.#kinds.length; k++) {
        const kind = this.#kinds[k] as KindWindows
        const isKind = kind.takes(event)
        this.#isKind[k] = isKind
        const bad = isKind ? kind.read(event) : null
        if (bad !== null) return badColumn(bad)
      }
      return null
    } catch (cause) {
      return threw(cause)
    }
  }

  /** Which models the event reaches, and what of their rows is its own. */
  #readOwnRow(event: unknown): TidemarkError | null {
    try {
      return this.#findModels(event) ? this.#readOwn(event) : null
    } catch (cause) {
      return threw(cause)
    }
  }

  #copyRows(candidate: Candidate, open: readonly OpenArrivals[]): TidemarkError | null {
    let first: TidemarkError | null = null
    for (let p = 0; p < this.#paths.length; p++) {
      if (!this.#reaches[p]) continue
      const error = this.#copyRow(candidate, this.#paths[p] as Path, open[p] as OpenArrivals)
      first ??= error
    }
    return first
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
    if (feature.from === 'value') {
      const value: unknown = feature.of(event)
      return feature.missing === 'nan' && isMissing(value) ? Number.NaN : value
    }
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
