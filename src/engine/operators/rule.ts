import type { Events, Reader } from '../../columns/events.ts'
import type { KnownObject, ScoredBy } from '../../formats/json/known-values.ts'
import type { Code } from '../../kernel/errors.ts'
import type { Definition, ScoreStep, Step, TumblingStep } from '../../topology/definition.ts'
import type { Expression } from '../../topology/function-reading.ts'
import type { Lookup } from '../../topology/lookup.ts'
import type { OnLate } from '../../topology/source.ts'
import type { FlowBatch, ModelBatch, ReadyBatch, StepScores, WindowResult } from '../events.ts'
import type { ChunkRun } from '../run.ts'
import type { Dictionary } from '../store/dictionary.ts'
import type { EventMoment } from '../store/keyed-windows.ts'
import type { HeldState, StateUse } from '../store/state-limits.ts'

// The rule of each kind of step: everything about a topology and its events is derived from it.
// (Arroyo's `ArrowOperator` is similar: process_batch, handle_watermark, tables.)

export type Print = (callback: (...args: never[]) => unknown) => string

/** The text of each value, by its name. */
export function textsOf<V>(values: Readonly<Record<string, V>>, text: (value: V) => string) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, text(value)]))
}

/** Details of a fault. @default code `TOPOLOGY_INVALID` */
type FaultOptions = { readonly code?: Code; readonly hint?: string }

export type ReportFault = (where: string, message: string, o?: FaultOptions) => void

/** The events at a step's position in the topology. */
export interface StepPlace {
  readonly definition: Definition
  /**
   * `source`: the source's events · `featured`: these, with features · `scored`: `{ event, score, …
   * }` of a model · `made`: objects of a step.
   */
  readonly events: 'source' | 'featured' | 'scored' | 'made'
  /** The last of them before the step; `null`: neither is. */
  readonly behind: 'features' | 'scores' | null
  /** Names of the events' features; empty: they have none. */
  readonly features: readonly string[]
  /** Names of features that a step before has left out. */
  readonly dropped: readonly string[]
  /** The tumbling step whose results the events are; `null`: none. */
  readonly results: TumblingStep | null
}

/** How long a step keeps its state. */
export interface Retention {
  /** ms behind its input's watermark. */
  readonly lengthMs: number
  /** How much older than its output the events may be that decide about it, ms. */
  readonly delayMs: number
  readonly forEver: readonly string[]
}

/** A place where an author may have put a function. */
export interface FunctionPlace {
  /** Its name in notes: `payments.key`, `map`, `features.amount`. */
  readonly where: string
  /** The first argument: an event, a table's row, features, a record, or a tombstone's key. */
  readonly argument: 'event' | 'row' | 'features' | 'unrounded' | 'record' | 'key'
  /** Undefined or null if the author left it out. */
  readonly of: unknown
}

/** Shared by all steps of a task. */
export interface OperatorContext {
  readonly onLate: OnLate
  readonly lookup: Lookup
  readonly input: StepInput
  readonly scoring: (step: ScoreStep) => StepScoring
  readonly keys: Dictionary
  readonly use: StateUse
  /** Whether all results of a chunk must be returned at once. */
  readonly isWhole: boolean
}

/** The events that reach a step, as known before there are any. */
export interface StepInput {
  /** How functions are evaluated on them. */
  readonly reader: Reader
  /** The value that an encoder writes from columns; `null`: it needs an object. */
  readonly shape: EventShape | null
  /** `null`: they have none. */
  readonly features: FeatureNames | null
  /** Whether they have a field of this name. @default not known, as when it is `null` */
  readonly declares?: ((field: string) => boolean) | null
}

export interface FeatureNames {
  /** In the author's order. */
  readonly names: readonly string[]
  /** The features that are given without rounding too. */
  readonly exact: readonly string[]
}

export interface EventShape {
  /** By number of the decision about the event, 0 without a model. */
  readonly eventOf: (decision: number) => KnownObject
  /** A function of that object, which is the value; `null`: the object is. */
  readonly expression: Expression | null
}

interface ModelRequest extends Pick<ModelBatch, 'rows' | 'routes'> {
  readonly count: number
}

/** The models of a score step. */
export interface StepScoring {
  /** Names in outputs, by number of the decision. */
  readonly by: readonly ScoredBy[]
  /** `null`: the partition was lost meanwhile. */
  score(batch: ModelRequest): Promise<StepScores | null>
  /** Scores of rows go out without a model. @param scores of the first output */
  reused(scores: Float64Array): void
}

/** Opens the steps after a step. @param input its output */
export type OpenSteps = (then: readonly Step[], input: StepInput) => readonly Operator[]

/**
 * Batches ready for models and sinks, some at a time; an empty list gives others their turn. A
 * promise must be waited for.
 */
export type ReadyBatches = Iterable<readonly ReadyBatch[] | Promise<unknown>>

/** State of a key, by step. */
export interface StepStates {
  /** Features over windows, float32. */
  readonly features: Record<string, Readonly<Record<string, number>>>
  /** The results of open windows so far, in the order of their ends. */
  readonly windows: Record<string, readonly WindowResult['event'][]>
}

/** A step of one task, with its state. */
export interface Operator {
  /** Processes the events of a chunk that reach it, in log order. */
  process(batch: FlowBatch, run: ChunkRun): ReadyBatches
  /** The watermark has advanced without an event. @default nothing happens */
  advance?(watermarkMs: number, run: ChunkRun): ReadyBatches
  /** Evicts after a chunk, checking at most `most` keys, and `most` texts per column. */
  expire?(most: number): void
  /**
   * Whether any step from here on takes the event's features; if not, none are computed. May throw
   * an author's error. @default yes
   */
  wants?(events: Events, index: number): boolean
  /** Whether an event in columns needs no object. @default it does */
  readonly isDirect?: boolean
  /** Adds the state of a key. @default nothing */
  peek?(moment: EventMoment, into: StepStates): void
  /** State that it keeps between chunks. @default nothing */
  readonly states?: readonly HeldState[]
  /** The watermark at which it produces something without an event. @default never */
  readonly nextEndMs?: number
}

/** Events that do not go on from a step. */
interface StepOutcomes {
  /** Codes of its dead letters, without `LATE`. */
  readonly deadLetters: readonly Code[]
  /** Whether it finds events late. @default no */
  readonly late?: true
  /** Whether it closes windows. @default no */
  readonly windows?: true
}

/** How a step is drawn in a graph, and named in an outline. */
export interface StepDisplay {
  readonly shape: 'topic' | 'step' | 'choice' | 'model'
  readonly label: string
  /** `null`: an outline leaves the step out. */
  readonly outline: string | null
  /** Nodes inside the step, beside its own. @default none */
  readonly parts?: readonly DisplayPart[]
  /** @default none */
  readonly edges?: readonly DisplayEdge[]
  /** Ids of the parts that feed the steps after it. @default its own node does */
  readonly last?: readonly string[]
  /** Paths of events that do not go on, without late ones. @default none */
  readonly exits?: readonly DisplayExit[]
  /** Names of the tables and stores that feed it. @default none */
  readonly looksUp?: readonly string[]
}

export interface DisplayPart extends Pick<StepDisplay, 'shape' | 'label'> {
  /** Unique in its step. */
  readonly id: string
}

/** A path inside a step. Both ends are ids of parts; `''` is the step's own node. */
export interface DisplayEdge {
  readonly from: string
  readonly to: string
  /** An author's words are in quotation marks. @default none */
  readonly label?: string
  /** @default false */
  readonly isDashed?: boolean
}

export interface DisplayExit {
  /** Id of a part; `''`: the step's own node. */
  readonly from: string
  readonly label: string
  readonly to: 'deadLetters' | 'dropped'
}

export interface OperatorRule<S extends Step> {
  readonly outcomes: StepOutcomes
  display(step: S): StepDisplay
  /** Settings as in a description; lengths in ms. */
  detail(step: S, print: Print): Readonly<Record<string, unknown>>
  /** The parts of its detail that determine windows. @default all */
  decides?(step: S, detail: Readonly<Record<string, unknown>>): readonly unknown[]
  /** @default nothing */
  keeps?(step: S): Retention
  functions(step: S): Iterable<FunctionPlace>
  /** Reports its faults at its position. @default nothing is checked */
  check?(step: S, place: StepPlace, report: ReportFault): void
  /** Notes on settings that are allowed but may surprise. @default none */
  notes?(step: S): string[]
  /** Whether its functions take `{ event, features, … }` behind features. @default the event */
  readonly takesFeatures?: true
  /** The topic that it writes. @default none */
  topic?(step: S): string
  /** The place of the steps after it. @default its own place */
  placeAfter?(step: S, place: StepPlace): StepPlace
  open(step: S, open: OpenSteps, context: OperatorContext): Operator
}

/** Passes events on to the steps behind. @param late those that this step has found late */
export function* passOn(
  behind: readonly Operator[],
  batch: FlowBatch,
  run: ChunkRun,
  late: readonly number[] = [],
): ReadyBatches {
  const passed = late.length === 0 ? batch : { ...batch, late: new Set([...batch.late, ...late]) }
  for (const operator of behind) yield* operator.process(passed, run)
}

/** Whether any of some steps takes the event's features. */
export function areWanted(steps: readonly Operator[], events: Events, index: number): boolean {
  for (const step of steps) if (step.wants?.(events, index) ?? true) return true
  return false
}

export type ReportFieldFault = (message: string, o?: FaultOptions) => void

/** Reports a value that is not a function. @param argument its argument: `of the event` */
export function checkFunction(
  name: string,
  value: unknown,
  argument: string,
  tell: ReportFieldFault,
): void {
  if (typeof value === 'function') return
  tell(`${name} must be a function ${argument}, got ${typeof value}`)
}

/** Reports a length that is not a whole number of ms above 0. */
export function checkLength(lengthMs: number, tell: ReportFieldFault): void {
  if (Number.isInteger(lengthMs) && lengthMs > 0) return
  tell(`window length ${lengthMs} ms must be a whole number above 0`)
}

/** Windows over scores, or features, are refused rather than kept over something else. */
export function checkPlace({ name }: Step, { behind }: StepPlace, report: ReportFault): void {
  if (behind === null) return
  notSupported(name, `windows over ${behind}`, { data: `the ${behind}`, report })
}

/** Reports `NOT_SUPPORTED`, with the hint to use a second topology. */
export function notSupported(
  step: string,
  message: string,
  { data, report }: { readonly data: string; readonly report: ReportFault },
): void {
  report(step, message, {
    code: 'NOT_SUPPORTED',
    hint: `write ${data} to a topic with the same key and as many partitions, and read that in a second topology: otherwise many events of a backlog are late there (docs/topologies.md, A topic between two topologies)`,
  })
}

export function* functionsOf(
  name: string,
  columns: TumblingStep['columns'],
): Generator<FunctionPlace> {
  for (const [column, code] of Object.entries(columns)) {
    yield { where: `${name}.${column}`, argument: 'event', of: code }
  }
}
