import type { Events, Read, Reader } from '../columns/events.ts'
import { FieldRead, NO_CELL, ScannedEvents } from '../columns/scanned-events.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type {
  FeatureDefinition,
  FeaturesStep,
  ScoreStep,
  WhereStep,
} from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { isRule } from '../topology/models.ts'
import type { OnLate } from '../topology/source.ts'
import type { Arrivals, Flow } from './events.ts'
import { badColumn, lateError, threw, typeNameOf } from './faults.ts'
import { conditionOf } from './operators/where.ts'
import { Routes, ShadowShares } from './routes.ts'
import { isMissing } from './store/event-columns.ts'
import { KeyedWindows, type WindowsContext } from './store/keyed-windows.ts'
import { TableRows } from './table-rows.ts'
import { isLate } from './watermark.ts'

interface Path {
  readonly step: ScoreStep
  readonly conditions: readonly Read<boolean>[]
  /** By column of the model's row: the feature that fills it. */
  readonly order: readonly number[]
  readonly carried: readonly number[]
  readonly routes: Routes | null
  readonly shares: ShadowShares | null
  /** By rule: the columns that must have a value. */
  readonly taken: readonly (readonly number[])[]
}

interface OpenArrivals {
  readonly indices: number[]
  readonly rows: Float32Array
  readonly routes: Uint8Array
  readonly shadowed: number[][]
  readonly carried: Float64Array
  readonly found: unknown[]
}

interface FeatureRowsOptions extends WindowsContext {
  readonly lookup: Lookup
  readonly onLate: OnLate
}

/** Events whose windows are prefetched together: few enough to stay in the processor's cache. */
const TOUCHED = 64

interface Taking {
  readonly late: number[]
  readonly open: readonly OpenArrivals[] | null
}

const NO_OBJECTS: Events = []

export interface FeatureRun {
  /** Called for each event that cannot be processed further. */
  readonly fault: (index: number, error: TidemarkError) => void
  /** Otherwise events only enter the windows. */
  readonly isWanted: boolean
}

/** A feature of the event itself or of a table. */
interface OwnFeature {
  readonly name: string
  readonly at: number
  readonly kind: number
  readonly read: Read<unknown>
  /** The field that it reads, if that is a number in a column. */
  readonly field: FieldRead<unknown> | null
}

/** The windows of a features step, and the rows made from them. */
export class FeatureRows {
  readonly #onLate: OnLate
  readonly kinds: readonly KeyedWindows[]
  readonly #own: readonly OwnFeature[]
  readonly #tables: TableRows
  readonly #paths: readonly Path[]
  /** The current event's features in the author's order, not rounded to float32. */
  readonly #row: Float64Array
  /** By kind and by path, for the current event. */
  readonly #isKind: boolean[]
  readonly #reaches: boolean[]
  readonly #use: WindowsContext['use']
  readonly #moment = { events: NO_OBJECTS, index: 0, key: 0, timeMs: 0, watermarkMs: 0 }
  /** The watermark of the events processed; that of window results lags behind the source's. */
  #watermarkMs = Number.NEGATIVE_INFINITY

  constructor(step: FeaturesStep, { lookup, onLate, ...shared }: FeatureRowsOptions) {
    const { reader, use } = shared
    this.#onLate = onLate
    this.#use = use
    this.kinds = step.kinds.map((_, kind) => new KeyedWindows(step, kind, shared))
    this.#tables = new TableRows(step, { lookup, reader })
    this.#own = step.features.flatMap((f, at) => {
      if (f.from !== 'value' && f.from !== 'lookup') return []
      const read = f.from === 'lookup' ? this.#tables.reader(f) : valueReader(f, reader)
      const field = read instanceof FieldRead && read.type === 'number' ? read : null
      return [{ name: f.name, at, kind: f.kind, read, field }]
    })
    const names = step.features.map((f) => f.name)
    this.#paths = pathsOf(step).map((path) => ({
      step: path.step,
      conditions: path.conditions.map((where) => conditionOf(where, reader)),
      order: path.step.features.map((name) => names.indexOf(name)),
      carried: (path.step.carry ?? []).map((name) => names.indexOf(name)),
      routes: path.step.routes.length === 0 ? null : new Routes(path.step, shared),
      shares: path.step.shadows.length === 0 ? null : new ShadowShares(path.step, shared.keys),
      taken: takenBy(path.step),
    }))
    this.#row = new Float64Array(step.features.length)
    this.#isKind = step.kinds.map(() => false)
    this.#reaches = this.#paths.map(() => false)
  }

  get bytes(): number {
    return this.kinds.reduce((sum, kind) => sum + kind.bytes, 0)
  }

  get texts(): number {
    return this.kinds.reduce((sum, kind) => sum + kind.texts, 0)
  }

  expire(most: number): void {
    for (const kind of this.kinds) kind.expire(this.#watermarkMs, most)
  }

  run(flow: Flow, { fault, isWanted }: FeatureRun): { arrivals: Arrivals[]; late: number[] } {
    this.#watermarkMs = Math.max(this.#watermarkMs, flow.watermarksMs.at(-1) ?? this.#watermarkMs)
    const late: number[] = []
    const most = isWanted ? flow.indices.length : 0
    const open = this.#paths.map(({ order, carried, routes, shares }): OpenArrivals => {
      return {
        indices: [],
        rows: new Float32Array(most * order.length),
        routes: new Uint8Array(routes === null ? 0 : most),
        shadowed: shares?.none() ?? [],
        carried: new Float64Array(most * carried.length),
        found: [],
      }
    })
    const taking = { late, open: isWanted ? open : null }
    for (const kind of this.kinds) kind.readAhead(flow)
    for (let at = 0; at < flow.indices.length; at++) {
      const index = flow.indices[at] as number
      if (at % TOUCHED === 0) for (const kind of this.kinds) kind.touch(flow, at, at + TOUCHED)
      const error = this.#processOne(flow, index, taking)
      if (error !== null) fault(index, error)
    }
    const lateOnes = new Set(late)
    const { names } = this.#tables
    const arrivals = this.#paths.map((path, p): Arrivals => {
      const { step, order } = path
      const { indices, rows, routes, shadowed, carried, found } = open[p] as OpenArrivals
      const { windows, events } = flow
      const written = rows.subarray(0, indices.length * order.length)
      return {
        ...{ step, indices, windows, events, late: lateOnes, rows: written, carried },
        ...(path.routes && { routes: routes.subarray(0, indices.length) }),
        ...(path.shares && { shadowed }),
        ...(names.length > 0 && { found: { names, rows: found } }),
      }
    })
    return { arrivals, late }
  }

  /** @param o `late`: collects late events; `open`: `null`: the event only enters the windows */
  #processOne(flow: Flow, index: number, { late, open }: Taking): TidemarkError | null {
    const moment = this.#moment
    moment.events = flow.events
    moment.index = index
    moment.key = flow.keys[index] as number
    moment.timeMs = flow.timesMs[index] as number
    moment.watermarkMs = flow.watermarksMs[index] as number
    const isBehind = isLate(moment.timeMs, moment.watermarkMs)
    if (isBehind) {
      late.push(index)
      if (this.#onLate === 'drop') return null
      if (this.#onLate === 'dead-letter') return lateError(moment.timeMs, moment.watermarkMs)
    }
    const { events } = flow
    const bad = this.#readColumns(events, index)
    if (bad !== null) return bad
    const full = isBehind ? null : this.#refusal(moment.key)
    if (full !== null) return full
    // Windows depend on the columns alone, never on a table, a model or a condition before one: an
    // event enters even if its own row cannot be made.
    const unfit = open === null ? null : this.#readOwnRow(events, index)
    const reachesAny = open !== null && unfit === null && this.#reaches.includes(true)
    const row = reachesAny ? this.#row : null
    for (let k = 0; k < this.kinds.length; k++) {
      const enters = (this.#isKind[k] as boolean) && !isBehind
      if (enters || row !== null) this.kinds[k]?.process(moment, enters, row)
    }
    return reachesAny ? this.#copyRows(index, open) : unfit
  }

  /** Why an event may not enter; `null`: it may. Looks up whether a key is new only if it must. */
  #refusal(key: number): TidemarkError | null {
    if (this.#use.hasRoom(this.kinds.length)) return null
    return this.#use.refusal(
      this.kinds.filter((kind, k) => this.#isKind[k] && !kind.has(key)).length,
    )
  }

  #readColumns(events: Events, index: number): TidemarkError | null {
    try {
      for (let k = 0; k < this.kinds.length; k++) {
        const kind = this.kinds[k] as KeyedWindows
        const isKind = kind.matches(events, index)
        this.#isKind[k] = isKind
        const bad = isKind ? kind.read(events, index) : null
        if (bad !== null) return badColumn(bad)
      }
      return null
    } catch (cause) {
      return threw(cause)
    }
  }

  #readOwnRow(events: Events, index: number): TidemarkError | null {
    try {
      return this.#findModels(events, index) ? this.#readOwn(events, index) : null
    } catch (cause) {
      return threw(cause)
    }
  }

  #copyRows(index: number, open: readonly OpenArrivals[]): TidemarkError | null {
    let first: TidemarkError | null = null
    for (let p = 0; p < this.#paths.length; p++) {
      if (!this.#reaches[p]) continue
      const [path, into] = [this.#paths[p] as Path, open[p] as OpenArrivals]
      const error = this.#nextRow(path, into)
      if (error === null) {
        this.#tables.appendTo(into.found)
        path.shares?.take(into.indices.length, this.#moment.key, into.shadowed)
        into.indices.push(index)
      } else first ??= error
    }
    return first
  }

  /** Writes the next row, and which rule holds. @returns why no model can score it */
  #nextRow(path: Path, into: OpenArrivals): TidemarkError | null {
    const { step, routes, taken } = path
    const isFinite = this.#copyRow(path, into)
    const rule = routes === null ? 0 : this.#decide(routes, into)
    if (typeof rule !== 'number') return rule
    return isFinite ? null : lacking(taken[rule] as readonly number[], step, into)
  }

  /** @returns does the event reach any model? */
  #findModels(events: Events, index: number): boolean {
    let any = false
    for (let p = 0; p < this.#paths.length; p++) {
      const reaches = doAllHold((this.#paths[p] as Path).conditions, events, index)
      this.#reaches[p] = reaches
      any ||= reaches
    }
    return any
  }

  #readOwn(events: Events, index: number): TidemarkError | null {
    const { timeMs } = this.#moment
    this.#tables.find(events, index, { isKind: this.#isKind, timeMs })
    for (const feature of this.#own) {
      if (this.#isKind[feature.kind] && this.#copyField(feature, events, index)) continue
      const value = this.#isKind[feature.kind] ? feature.read.of(events, index) : Number.NaN
      if (typeof value !== 'number') {
        // A typed array would turn null into 0 and '12' into 12.
        const what = `feature "${feature.name}" must be a number, got ${typeNameOf(value)}`
        return new TidemarkError('COLUMN_INVALID', what)
      }
      this.#row[feature.at] = value
    }
    return null
  }

  /** Copies a number from its column. @returns false: only the function can tell */
  #copyField({ field, at }: OwnFeature, events: Events, index: number): boolean {
    if (field === null || !(events instanceof ScannedEvents)) return false
    const cell = field.cellIn(events, index)
    if (cell === NO_CELL) return false
    this.#row[at] = events.columns.numbers[cell] as number
    return true
  }

  /** Writes the next row. @returns are all of its numbers finite? */
  #copyRow({ order, carried }: Path, into: OpenArrivals): boolean {
    const base = into.indices.length * order.length
    // Stays 0 while they are.
    let doubt = 0
    for (let c = 0; c < order.length; c++) {
      into.rows[base + c] = this.#row[order[c] as number] as number
      doubt += (into.rows[base + c] as number) * 0
    }
    const beside = into.indices.length * carried.length
    for (let c = 0; c < carried.length; c++) {
      into.carried[beside + c] = this.#row[carried[c] as number] as number
    }
    return doubt === 0
  }

  /** The number of the rule that holds for the next row; 0 without rules. */
  #decide(routes: Routes, { indices, rows, carried, routes: decided }: OpenArrivals) {
    routes.view.move(rows, carried, indices.length)
    const decision = routes.decide(this.#moment)
    if (typeof decision === 'number') decided[indices.length] = decision
    return decision
  }
}

/** Why its model cannot take the next row; `null`: it can. */
function lacking(
  columns: readonly number[],
  { features, missing }: ScoreStep,
  { indices, rows }: OpenArrivals,
): TidemarkError | null {
  const base = indices.length * features.length
  for (const column of columns) {
    const value = rows[base + column] as number
    if (Number.isFinite(value) || (Number.isNaN(value) && missing === 'nan')) continue
    return notFinite(features[column] as string, value)
  }
  return null
}

function notFinite(name: string, value: number): TidemarkError {
  const hint = `.score(model, { missing: 'nan' }) lets a missing value reach the model`
  const details = Number.isNaN(value) ? { hint } : {}
  return new TidemarkError('FEATURE_NOT_FINITE', `feature "${name}" is ${value}`, details)
}

/**
 * By rule: the columns that its model takes; last, those for events without a rule. A rule that is
 * a model decides itself about missing columns. Variants need all columns, because an event's
 * outcome must not depend on the one chosen.
 */
function takenBy(step: ScoreStep): readonly number[][] {
  const { models, routes, otherwise, features, variants } = step
  if (variants !== null) return [features.map((_, column) => column)]
  return [...routes.map(({ to }) => to), otherwise].map((name) => {
    const model = models[name]
    if (model === undefined || isRule(model)) return []
    return model.features.map((feature) => features.indexOf(feature))
  })
}

function doAllHold(conditions: readonly Read<boolean>[], events: Events, index: number): boolean {
  for (const condition of conditions) if (!condition.of(events, index)) return false
  return true
}

function valueReader(
  { of, missing }: Extract<FeatureDefinition, { from: 'value' }>,
  reader: Reader,
): Read<unknown> {
  const read: Read<unknown> = reader(of)
  if (missing !== 'nan') return read
  return {
    of: (events, index) => {
      const value = read.of(events, index)
      return isMissing(value) ? Number.NaN : value
    },
  }
}

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
