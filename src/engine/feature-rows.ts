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
import type { Arrivals } from './events.ts'
import { KindWindows } from './kind-windows.ts'

// One features step: enters events into the windows and writes the rows of those that reach a model.

/** An event as it stands before a features step. */
export interface Candidate {
  readonly index: number
  readonly key: string
  readonly timeMs: number
  /** As it was when the event arrived. */
  readonly watermarkMs: number
  readonly late: boolean
  readonly event: unknown
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
  readonly #cells: unknown[][]
  readonly #entered: (number | null)[]
  readonly #isKind: boolean[]

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
    this.#cells = step.kinds.map(() => [])
    this.#entered = step.kinds.map(() => null)
    this.#isKind = step.kinds.map(() => false)
  }

  /** Keys that hold memory, over all kinds. */
  get keys(): number {
    return this.#kinds.reduce((sum, kind) => sum + kind.keys, 0)
  }

  /** Takes events in log order. `fault` is told of each that cannot go on. */
  run(
    candidates: readonly Candidate[],
    fault: (index: number, step: string, error: TidemarkError) => void,
  ): { arrivals: Arrivals[]; late: number[] } {
    const late: number[] = []
    const open = this.#paths.map((path): OpenArrivals => {
      const rows = new Float32Array(candidates.length * path.order.length)
      return { indices: [], events: [], rows }
    })
    for (const candidate of candidates) {
      if (candidate.late) late.push(candidate.index)
      const error = this.#take(candidate, open)
      if (error !== null) fault(candidate.index, this.#step.name, error)
    }
    const arrivals = this.#paths.map(({ step, order }, p) => {
      const { indices, events, rows } = open[p] as OpenArrivals
      return { step, indices, events, rows: rows.subarray(0, indices.length * order.length) }
    })
    return { arrivals, late }
  }

  #take(candidate: Candidate, open: readonly OpenArrivals[]): TidemarkError | null {
    if (candidate.late && this.#onLate === 'drop') return null
    if (candidate.late && this.#onLate === 'dead-letter') return lateError(candidate)
    let reached: readonly boolean[]
    try {
      const error = this.#readColumns(candidate.event)
      if (error !== null) return error
      reached = this.#paths.map((path) => path.conditions.every((c) => c.keep(candidate.event)))
      if (reached.some(Boolean)) this.#readOwn(candidate.event)
    } catch (thrown) {
      return new TidemarkError(
        'FUNCTION_THREW',
        `a function of the topology threw ${nameOf(thrown)}`,
        {
          cause: thrown,
        },
      )
    }
    // From here on nothing of the author's runs: an event enters all its windows or none.
    this.#enter(candidate)
    if (!reached.some(Boolean)) return null
    for (const [k, kind] of this.#kinds.entries()) {
      kind.write({ ...candidate, entered: this.#entered[k] as number | null }, this.#row)
    }
    let error: TidemarkError | null = null
    for (const [p, path] of this.#paths.entries()) {
      if (reached[p]) error = this.#copyRow(candidate, path, open[p] as OpenArrivals) ?? error
    }
    return error
  }

  #readColumns(event: unknown): TidemarkError | null {
    for (const [k, kind] of this.#kinds.entries()) {
      this.#isKind[k] = kind.takes(event)
      const bad = this.#isKind[k] ? kind.read(event, this.#cells[k] as unknown[]) : null
      if (bad === null) continue
      const got = typeof bad.got === 'number' ? String(bad.got) : typeof bad.got
      return new TidemarkError(
        'COLUMN_INVALID',
        `column "${bad.column}" must be a ${bad.wanted}, got ${got}`,
      )
    }
    return null
  }

  #readOwn(event: unknown): void {
    for (const feature of this.#own) {
      if (!this.#isKind[feature.kind]) {
        this.#row[feature.at] = Number.NaN
      } else if (feature.from === 'value') {
        this.#row[feature.at] = feature.of(event)
      } else {
        const key = feature.key(event)
        const row = key === null ? undefined : this.#lookup(feature.table).get(key)
        this.#row[feature.at] = row === undefined ? Number.NaN : feature.of(row)
      }
    }
  }

  #enter(candidate: Candidate): void {
    for (const [k, kind] of this.#kinds.entries()) {
      this.#entered[k] =
        this.#isKind[k] && !candidate.late
          ? kind.enter(
              candidate.key,
              candidate.timeMs,
              candidate.watermarkMs,
              this.#cells[k] as unknown[],
            )
          : null
    }
  }

  #copyRow(candidate: Candidate, path: Path, into: OpenArrivals): TidemarkError | null {
    const { order, step } = path
    const base = into.indices.length * order.length
    for (let c = 0; c < order.length; c++) {
      into.rows[base + c] = this.#row[order[c] as number] as number
      const value = into.rows[base + c] as number
      if (Number.isFinite(value) || (Number.isNaN(value) && step.missing === 'nan')) continue
      const name = step.model.features[c] as string
      const hint = Number.isNaN(value)
        ? `.score(model, { missing: 'nan' }) lets a missing value reach the model`
        : undefined
      return new TidemarkError(
        'FEATURE_NOT_FINITE',
        `feature "${name}" is ${value}`,
        hint ? { hint } : {},
      )
    }
    into.indices.push(candidate.index)
    into.events.push(candidate.event)
    return null
  }
}

function lateError({ timeMs, watermarkMs }: Candidate): TidemarkError {
  return new TidemarkError(
    'LATE',
    `event time ${timeMs} is ${watermarkMs - timeMs} ms behind the watermark ${watermarkMs}`,
  )
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
