import { TidemarkError } from '../../../kernel/errors.ts'
import { groupedBy } from '../../../kernel/grouped.ts'
import type { ScoreStep } from '../../../topology/definition.ts'
import type { Rows } from '../../../topology/lookup.ts'
import { confidenceOf, isProbability } from '../../../topology/models.ts'
import { featuresIn, REUSE, type ReuseDefinition, type Reused } from '../../../topology/reuse.ts'
import type { FeatureMatrix, FlowBatch } from '../../events.ts'
import { threw } from '../../faults.ts'
import type { Dictionary } from '../../store/dictionary.ts'
import { type Condition, openCondition } from '../conditions.ts'
import { noCondition } from '../routes.ts'
import {
  checkFunction,
  type FunctionPlace,
  type OperatorContext,
  type Print,
  type ReportFault,
  type ReportFieldFault,
  type StepPlace,
} from '../rule.ts'

/** The field of a row with the model that has scored it: `tidemark batch` writes it. */
const MODEL_FIELD = 'tidemark-model'

/** A score in a row, for one event. */
interface ReusedScore {
  readonly index: number
  readonly model: string
  /** By column of the step's outputs. */
  readonly columns: readonly number[]
  readonly reuse: Reused
}

interface StepOutput {
  readonly name: string
  /** `null`: it is one number. */
  readonly columns: readonly string[] | null
}

/** Finds the events of a score step that get the score of a row. */
export class ScoreReuse {
  readonly #step: string
  readonly #reuse: ReuseDefinition
  readonly #rows: Rows
  readonly #keys: Dictionary
  readonly #unless: Condition | null
  readonly #outputs: readonly StepOutput[]
  /** By feature that is compared: its place in the author's order. */
  readonly #order: readonly number[]

  constructor(
    { name, outputs }: Pick<ScoreStep, 'name' | 'outputs'>,
    reuse: ReuseDefinition,
    { lookup, keys, input }: OperatorContext,
  ) {
    const rows = lookup(reuse.table)
    const names = input.features?.names ?? []
    if (!('get' in rows)) throw new TidemarkError('INVARIANT', `"${reuse.table}" is a store`)
    this.#step = name
    this.#reuse = reuse
    this.#rows = rows
    this.#keys = keys
    this.#unless = reuse.unless && openCondition(reuse.unless, input)
    this.#outputs = Object.entries(outputs).map(([output, { columns = null }]) => {
      return { name: output, columns }
    })
    this.#order = (reuse.drift?.names ?? []).map((feature) => names.indexOf(feature))
  }

  /** @param fault called for each event on which `unless` fails */
  split(batch: FlowBatch, fault: (index: number, error: TidemarkError) => void) {
    const { drift } = this.#reuse
    const deviations = drift && (this.#rows.deviationsOf?.(drift) as Float32Array)
    const live: number[] = []
    const scores: ReusedScore[] = []
    for (const index of batch.indices) {
      const mayReuse = this.#mayReuse(batch, index)
      const score = mayReuse === true ? this.#find(batch, index, deviations) : null
      if (typeof mayReuse !== 'boolean') fault(index, mayReuse)
      else if (score === null) live.push(index)
      else scores.push(score)
    }
    return { live, reused: [...groupedBy(scores, ({ model }) => model).values()].map(together) }
  }

  #mayReuse({ events, features }: FlowBatch, index: number): boolean | TidemarkError {
    if (this.#unless === null) return true
    const where = `${this.#step}.${REUSE}.unless`
    try {
      const isLive: unknown = this.#unless.holds(events, index, features)
      return typeof isLive === 'boolean' ? !isLive : noCondition(where, isLive)
    } catch (cause) {
      return threw(cause, where)
    }
  }

  /** `null`: the event has no row, or one that does not do. A bad row costs a run, not an event. */
  #find(batch: FlowBatch, index: number, deviations: Float32Array | null): ReusedScore | null {
    const timeMs = batch.timesMs[index] as number
    const row = this.#rows.get(String(this.#keys.cellOf(batch.keys[index] as number)), timeMs)
    if (row === undefined) return null
    try {
      return this.#scoreOf(row, { batch, index, timeMs, deviations })
    } catch {
      return null
    }
  }

  #scoreOf(row: unknown, { batch, index, timeMs, deviations }: ReusingEvent): ReusedScore | null {
    const { score: scoreOf, at, maxAgeMs, drift: compared } = this.#reuse
    const atMs = at(row)
    const ageMs = typeof atMs === 'number' ? timeMs - atMs : Number.NaN
    if (!(ageMs >= 0 && ageMs <= maxAgeMs)) return null
    const score = scoreOf(row)
    let columns = this.#columnsOf(score)
    if (!columns.every(Number.isFinite)) return null
    const drift = compared && this.#driftOf(featuresIn(compared, row), batch, { index, deviations })
    if (compared !== null && drift !== null && !(drift <= compared.threshold)) {
      if (compared.adjust === null || !Number.isFinite(drift)) return null
      columns = this.#bounded(this.#columnsOf(compared.adjust(score, drift)), columns)
      if (!columns.every(Number.isFinite)) return null
    }
    const model = (row as Readonly<Record<string, unknown>>)[MODEL_FIELD]
    const [first] = this.#outputs as [StepOutput]
    const sure = confidenceOf(first, columns.slice(0, widthOf(first)))
    const confidence = sure === null ? null : sure * Math.max(0, 1 - (drift ?? 0))
    return {
      index,
      model: typeof model === 'string' && model !== '' ? model : this.#reuse.table,
      columns,
      reuse: { ageMs, drift, confidence },
    }
  }

  #columnsOf(score: unknown): readonly number[] {
    const fields = score as Readonly<Record<string, unknown>>
    const values = this.#outputs.flatMap(({ name, columns }): unknown[] => {
      if (columns === null) return [fields[name]]
      return columns.map((column) => (fields[name] as typeof fields)[column])
    })
    return values.map((value) => (typeof value === 'number' ? value : Number.NaN))
  }

  /** Brings an adjusted score within 0 and 1, where the row's own is a probability. */
  #bounded(adjusted: readonly number[], columns: readonly number[]): readonly number[] {
    let end = 0
    return this.#outputs.flatMap((output) => {
      const [start, isNamed] = [end, output.columns !== null || isProbability(output.name)]
      end += widthOf(output)
      const isBounded = isNamed && columns.slice(start, end).every((n) => n >= 0 && n <= 1)
      const numbers = adjusted.slice(start, end)
      return isBounded ? numbers.map((n) => Math.min(1, Math.max(0, n))) : numbers
    })
  }

  /** NaN or infinite: it cannot be told. */
  #driftOf(
    row: Float32Array,
    { features }: FlowBatch,
    { index, deviations }: Pick<ReusingEvent, 'index' | 'deviations'>,
  ): number {
    const { rows, names } = features as FeatureMatrix
    const base = index * names.length
    let sum = 0
    for (let f = 0; f < row.length; f++) {
      const [before, now] = [row[f] as number, rows[base + (this.#order[f] as number)] as number]
      const difference = Object.is(before, now) ? 0 : Math.abs(before - now)
      // 0 / 0 would be NaN, where all rows and the event have the same number.
      if (difference !== 0) sum += difference / (deviations?.[f] as number)
    }
    return sum / row.length
  }
}

function widthOf({ columns }: StepOutput): number {
  return columns?.length ?? 1
}

interface ReusingEvent {
  readonly batch: FlowBatch
  readonly index: number
  readonly timeMs: number
  readonly deviations: Float32Array | null
}

/** Events whose scores are in rows, in order. One model has made them all. */
export type ReusedBatch = ReturnType<typeof together>

function together(scores: readonly ReusedScore[]) {
  const [{ model, columns }] = scores as readonly [ReusedScore, ...ReusedScore[]]
  return {
    indices: scores.map(({ index }) => index),
    model,
    /** One number a row for each of the step's outputs. */
    columns: columns.map((_, c) => Float64Array.from(scores, (row) => row.columns[c] as number)),
    reused: scores.map(({ reuse }) => reuse),
  }
}

export function* functionsOfReuse({ name, reuse }: ScoreStep): Generator<FunctionPlace> {
  if (reuse === null) return
  const { score, at, unless, drift } = reuse
  yield { where: `${name}.${REUSE}.unless`, argument: 'event', of: unless }
  const ofRow = { score, at, features: drift?.features, adjust: drift?.adjust }
  for (const [field, code] of Object.entries(ofRow)) {
    yield { where: `${name}.${REUSE}.${field}`, argument: 'row', of: code }
  }
}

/** The author's settings, functions as they are printed. */
export function reuseDetail(part: object, print: Print): object {
  const pairs = Object.entries(part).filter(([name, value]) => value !== null && name !== 'names')
  const shown = pairs.map(([name, value]: [string, unknown]) => {
    if (typeof value === 'function') return [name, print(value as () => unknown)]
    return [name, typeof value === 'object' ? reuseDetail(value as object, print) : value]
  })
  return Object.fromEntries(shown) as object
}

export function checkReuse(
  { name, reuse, models, routes }: ScoreStep,
  { definition: { tables, stores } }: Pick<StepPlace, 'definition'>,
  report: ReportFault,
): void {
  if (reuse === null) return
  const { table, maxAgeMs, drift } = reuse
  const tell: ReportFieldFault = (message, o) => report(`${name}.${REUSE}`, message, o)
  const tableDefinition = tables.find((candidate) => candidate.name === table)
  const code = 'NOT_SUPPORTED' as const
  if (stores.some((store) => store.name === table)) {
    const o = { code, hint: 'write the rows to a topic, and read that with t.table' }
    tell(`"${table}" is a store: scores of rows in tables are reused`, o)
  } else if (tableDefinition === undefined) {
    tell(`"${table}" is no table of this topology`, { hint: 'declare it in it, with t.table' })
  } else if (tableDefinition.asOf !== null && drift !== null) {
    const message = `table "${table}" has asOf: its rows have no deviation that holds at each event's time`
    const hint = 'leave out asOf, because `at` says when a row was made; or leave out drift'
    tell(message, { code, hint })
  }
  checkFunction('score', reuse.score, 'of the row', tell)
  checkFunction('at', reuse.at, 'of the row', tell)
  if (reuse.unless !== null) checkFunction('unless', reuse.unless, 'of the event', tell)
  if (drift !== null) {
    const { features, threshold, adjust } = drift
    checkFunction('drift.features', features, 'of the row', tell)
    if (!(threshold >= 0)) tell(`drift.threshold must be a number, 0 or more, got ${threshold}`)
    if (adjust !== null) checkFunction('drift.adjust', adjust, 'of score and drift', tell)
  }
  if (!(maxAgeMs > 0)) tell(`maxAge must be a duration above 0 ms, got ${maxAgeMs}`)
  for (const other of [...Object.keys(models), ...routes.map((route) => route.name)]) {
    if (other === REUSE) tell(`"${REUSE}" is the route of reused scores: choose another name`)
  }
}
