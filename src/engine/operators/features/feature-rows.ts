import type { Events, Read } from '../../../columns/events.ts'
import { FieldRead, NO_CELL, ScannedEvents } from '../../../columns/scanned-events.ts'
import { TidemarkError } from '../../../kernel/errors.ts'
import { dayOfWeek, hourOfDay, millis } from '../../../kernel/time.ts'
import type { FeaturesStep, ValueForm } from '../../../topology/definition.ts'
import type { OnLate } from '../../../topology/source.ts'
import type { FlowBatch } from '../../events.ts'
import { badColumn, lateError, threw, typeNameOf } from '../../faults.ts'
import { type ChunkRun, subjectOf } from '../../run.ts'
import { isMissing } from '../../store/event-columns.ts'
import { type EventMoment, KeyedWindows } from '../../store/keyed-windows.ts'
import type { StateUse } from '../../store/state-limits.ts'
import { isLate } from '../../watermark.ts'
import {
  areWanted,
  type Operator,
  type OperatorContext,
  passOn,
  type ReadyBatches,
  type StepStates,
} from '../rule.ts'
import { TableRows } from './table-rows.ts'

/** Events whose windows are prefetched together: few enough to stay in the processor's cache. */
const TOUCHED = 64

/** Rows that are being written, by index of the event. */
interface OpenRows {
  readonly indices: number[]
  readonly rows: Float32Array
  readonly exact: Float64Array
  readonly foundRows: unknown[]
  readonly degraded: Map<number, string>
}

/** Where a chunk's events go. */
interface Into {
  /** Collects late events. */
  readonly late: number[]
  /** `null`: the events only enter the windows. */
  readonly open: OpenRows | null
  /** Whether nothing enters. */
  readonly isPreview: boolean
}

/** A feature of the event itself or of a table. */
interface OwnFeature {
  readonly name: string
  readonly at: number
  readonly kind: number
  /** Whether it is the value of a declared column. */
  readonly isOfColumn: boolean
  readonly read: Read<unknown>
  /** The field that it reads, if that is a number in a column. */
  readonly field: FieldRead<unknown> | null
  /** Whether it is NaN without a value. */
  readonly mayLack: boolean
  /** `null`: it is the number itself. */
  readonly form: Form | null
}

/** Makes a number of a column's value. */
interface Form {
  readonly column: string
  readonly wanted: 'string' | 'number'
  readonly numberOf: (value: unknown) => number
}

/** The windows of a features step, and the rows made from them. */
export class FeatureRows implements Operator {
  /** By kind of event. */
  readonly states: readonly KeyedWindows[]
  readonly #step: FeaturesStep
  /** In the author's order. */
  readonly #names: readonly string[]
  readonly #behind: readonly Operator[]
  readonly #onLate: OnLate
  /** Features that are a column's value: without one, an event enters no window. */
  readonly #ofColumns: readonly OwnFeature[]
  readonly #ownFeatures: readonly OwnFeature[]
  readonly #tables: TableRows
  /** Places in the author's order of the features that are also given without rounding. */
  readonly #exact: readonly number[]
  /** The current event's features in the author's order, not rounded to float32. */
  readonly #row: Float64Array
  /** By kind, for the current event. */
  readonly #isKind: boolean[]
  readonly #use: StateUse
  readonly #moment = { key: 0, timeMs: 0, watermarkMs: 0 }
  /** The watermark of the events processed; that of window results lags behind the source's. */
  #watermarkMs = Number.NEGATIVE_INFINITY
  /** Stays 0 while all numbers of the chunk's rows are finite. */
  #doubt = 0

  /** @param exact names of the features that steps behind take without rounding */
  constructor(
    step: FeaturesStep,
    { behind, exact }: { readonly behind: readonly Operator[]; readonly exact: readonly string[] },
    { input: { reader }, keys, lookup, onLate, use }: OperatorContext,
  ) {
    this.#step = step
    this.#behind = behind
    this.#onLate = onLate
    this.#use = use
    this.states = step.kinds.map((_, kind) => new KeyedWindows(step, kind, { reader, keys, use }))
    this.#tables = new TableRows(step, { lookup, reader })
    const ownFeatures = step.features.flatMap((f, at): OwnFeature[] => {
      if (f.from !== 'value' && f.from !== 'lookup') return []
      const plain = { name: f.name, at, kind: f.kind, field: null, mayLack: false, form: null }
      if (f.from === 'lookup') {
        return [{ ...plain, read: this.#tables.reader(f), isOfColumn: false }]
      }
      const [read, form] = [reader(f.of), f.form === undefined ? null : formOf(f.form)]
      const isField = form === null && read instanceof FieldRead && read.type === 'number'
      const columns = Object.values<unknown>(step.kinds[f.kind]?.columns ?? {})
      const mayLack = f.missing === 'nan'
      const isOfColumn = form !== null || mayLack || columns.includes(f.of)
      return [{ ...plain, read, field: isField ? read : null, mayLack, form, isOfColumn }]
    })
    this.#ofColumns = ownFeatures.filter(({ isOfColumn }) => isOfColumn)
    this.#ownFeatures = ownFeatures.filter(({ isOfColumn }) => !isOfColumn)
    this.#names = step.features.map((f) => f.name)
    this.#exact = exact.map((name) => this.#names.indexOf(name))
    this.#row = new Float64Array(step.features.length)
    this.#isKind = step.kinds.map(() => false)
  }

  expire(most: number): void {
    for (const kind of this.states) kind.expire(this.#watermarkMs, most)
  }

  *process(batch: FlowBatch, run: ChunkRun): ReadyBatches {
    this.#watermarkMs = run.watermarkAfter(batch, this.#watermarkMs)
    const late: number[] = []
    const open = run.mode === 'replay' ? null : this.#open(batch.count)
    this.#tables.turnTo(run.mode)
    const fetching = open !== null && this.#tables.areStored ? this.#fetch(batch, run) : null
    if (fetching !== null) yield fetching
    this.#tables.turnTo(run.mode)
    this.#doubt = 0
    const into = { late, open, isPreview: run.mode === 'preview' }
    this.#processAll(batch, run, into)
    run.late(this.#step.name, late)
    if (open === null) return
    const { indices, foundRows: rows, degraded, ...columns } = open
    const { names, areStored } = this.#tables
    const foundRows =
      names.length === 0 ? null : { names, rows, degraded: areStored ? degraded : null }
    const labels = { step: this.#step.name, names: this.#names }
    const features = { ...labels, ...columns, areFinite: this.#doubt === 0, foundRows }
    yield* passOn(this.#behind, { ...batch, indices, features, degraded }, run, late)
  }

  peek(moment: EventMoment, { features }: StepStates): void {
    const row = new Float64Array(this.#row.length)
    for (const kind of this.states) kind.peek(moment, row)
    const windows = this.#step.features.flatMap(({ name, from }, f) =>
      from === 'value' || from === 'lookup' ? [] : [[name, Math.fround(row[f] as number)]],
    )
    features[this.#step.name] = Object.fromEntries(windows)
  }

  /** Fetches the rows that events will look up in stores. */
  #fetch(batch: FlowBatch, { previewed }: ChunkRun): Promise<unknown> | null {
    const { events, timesMs, watermarksMs } = batch
    const isKind = (kind: number, index: number) => {
      if (!(this.states[kind] as KeyedWindows).isOf(events, index)) return false
      const isBehind = isLate(timesMs[index] as number, watermarksMs[index] as number)
      if (isBehind && this.#onLate !== 'score') return false
      return areWanted(this.#behind, events, index)
    }
    return this.#tables.fetch(batch, isKind, previewed)
  }

  /** Not in {@link process}, because V8 compiles a loop in a generator late. */
  #processAll(batch: FlowBatch, run: ChunkRun, into: Into): void {
    const { indices } = batch
    for (const kind of this.states) kind.readAhead(batch)
    for (let at = 0; at < indices.length; at++) {
      const index = indices[at] as number
      if (at % TOUCHED === 0) for (const kind of this.states) kind.touch(batch, at, at + TOUCHED)
      const error = this.#processOne(batch, index, into)
      if (error !== null) run.fault(subjectOf(batch, index), this.#step.name, error)
    }
  }

  #open(count: number): OpenRows {
    return {
      indices: [],
      rows: new Float32Array(count * this.#row.length),
      exact: new Float64Array(count * this.#exact.length),
      foundRows: new Array<unknown>(count * this.#tables.names.length),
      degraded: new Map(),
    }
  }

  #processOne(batch: FlowBatch, index: number, into: Into): TidemarkError | null {
    const { late, open, isPreview } = into
    const moment = this.#moment
    moment.key = batch.keys[index] as number
    moment.timeMs = batch.timesMs[index] as number
    moment.watermarkMs = batch.watermarksMs[index] as number
    const isBehind = isLate(moment.timeMs, moment.watermarkMs)
    if (isBehind) {
      late.push(index)
      if (this.#onLate === 'drop') return null
      if (this.#onLate === 'dead-letter') return lateError(moment.timeMs, moment.watermarkMs)
    }
    const { events } = batch
    const bad = this.#readColumns(events, index)
    if (bad !== null) return bad
    const full = isBehind ? null : this.#refusal(moment.key)
    if (full !== null) return full
    // Windows depend on the columns that features take, never on a table, a model or a condition
    // before one: an event enters even if the rest of its own row cannot be made.
    const ownRow = open === null ? null : this.#readOwnRow(events, index)
    const row = ownRow === this.#row ? this.#row : null
    for (let k = 0; k < this.states.length; k++) {
      const enters = (this.#isKind[k] as boolean) && !isBehind
      if (isPreview) {
        if (row !== null) this.states[k]?.preview(moment, enters, row)
      } else if (enters || row !== null) this.states[k]?.process(moment, enters, row)
    }
    if (open === null || ownRow === null) return null
    if (row === null) return ownRow as TidemarkError
    this.#writeRow(open, index)
    return null
  }

  /** Why an event may not enter; `null`: it may. Looks up whether a key is new only if it must. */
  #refusal(key: number): TidemarkError | null {
    if (this.#use.hasRoom(this.states.length)) return null
    return this.#use.refusal(
      this.states.filter((kind, k) => this.#isKind[k] && !kind.has(key)).length,
    )
  }

  #readColumns(events: Events, index: number): TidemarkError | null {
    try {
      for (let k = 0; k < this.states.length; k++) {
        const kind = this.states[k] as KeyedWindows
        const read = kind.read(events, index)
        if (typeof read !== 'boolean') return badColumn(read)
        this.#isKind[k] = read
      }
    } catch (cause) {
      return threw(cause)
    }
    return this.#readEach(this.#ofColumns, events, index)
  }

  /**
   * Reads the features that are not over windows, nor a column's value.
   *
   * @returns the row, or why it cannot be made; `null`: no step takes it
   */
  #readOwnRow(events: Events, index: number): Float64Array | TidemarkError | null {
    try {
      if (!areWanted(this.#behind, events, index)) return null
      this.#tables.find(events, index, { isKind: this.#isKind, timeMs: this.#moment.timeMs })
    } catch (cause) {
      return threw(cause)
    }
    return this.#readEach(this.#ownFeatures, events, index) ?? this.#row
  }

  #readEach(features: readonly OwnFeature[], events: Events, index: number): TidemarkError | null {
    let reading: OwnFeature | undefined
    try {
      for (const feature of features) {
        reading = feature
        const bad = this.#readOwn(feature, events, index)
        if (bad !== null) return bad
      }
      return null
    } catch (cause) {
      return threw(cause, reading && `${this.#step.name}.${reading.name}`)
    }
  }

  /** Writes a feature into the row. @returns why it is not a number */
  #readOwn(feature: OwnFeature, events: Events, index: number): TidemarkError | null {
    const { name, at, kind, read, mayLack, form } = feature
    this.#row[at] = Number.NaN
    if (!this.#isKind[kind] || this.#copyField(feature, events, index)) return null
    const value = read.of(events, index)
    if (mayLack && isMissing(value)) return null
    const wanted = form?.wanted ?? 'number'
    // A typed array would turn null into 0 and '12' into 12.
    if (typeof value === wanted) {
      this.#row[at] = form?.numberOf(value) ?? (value as number)
      return null
    }
    if (form !== null) return badColumn({ column: form.column, wanted, got: value })
    const message = `feature "${name}" must be a number, got ${typeNameOf(value)}`
    return new TidemarkError('COLUMN_INVALID', message)
  }

  /** Copies a number from its column. @returns false: only the function can tell */
  #copyField({ field, at }: OwnFeature, events: Events, index: number): boolean {
    if (field === null || !(events instanceof ScannedEvents)) return false
    const cell = field.cellIn(events, index)
    if (cell === NO_CELL) return false
    this.#row[at] = events.columns.numbers[cell] as number
    return true
  }

  #writeRow({ indices, rows, exact, foundRows, degraded }: OpenRows, index: number): void {
    const row = this.#row
    const { length: width } = row
    const base = index * width
    let doubt = 0
    for (let f = 0; f < width; f++) {
      rows[base + f] = row[f] as number
      doubt += (rows[base + f] as number) * 0
    }
    this.#doubt += doubt
    const places = this.#exact
    let to = index * places.length
    for (let e = 0; e < places.length; e++) exact[to++] = row[places[e] as number] as number
    this.#tables.writeTo(foundRows, index)
    if (this.#tables.degraded !== null) degraded.set(index, this.#tables.degraded)
    indices.push(index)
  }
}

function formOf(form: ValueForm): Form {
  const { column } = form
  if (form.is === 'code') {
    const codes = new Map<unknown, number>(form.words.map((word, code) => [word, code]))
    return { column, wanted: 'string', numberOf: (value) => codes.get(value) ?? form.unknown }
  }
  const part = form.is === 'hourOfDay' ? hourOfDay : dayOfWeek
  const offset = millis(form.offsetMs)
  return { column, wanted: 'number', numberOf: (value) => part(value as number, offset) }
}
