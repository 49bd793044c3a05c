import type { Reader } from '../../columns/events.ts'
import type { Code } from '../../kernel/errors.ts'
import type { Definition, Step, TumblingStep } from '../../topology/definition.ts'
import type { Lookup } from '../../topology/lookup.ts'
import type { OnLate } from '../../topology/source.ts'
import type { Arrivals, Flow } from '../events.ts'
import type { ChunkRun } from '../run.ts'
import type { Dictionary } from '../store/dictionary.ts'
import type { StateUse } from '../store/state-limits.ts'

// The rules from which everything about a topology and its events is derived; no other code checks
// the kind of a step. (As Arroyo's `ArrowOperator`: process_batch, handle_watermark, tables.)

export type Print = (of: (...args: never[]) => unknown) => string

/** @default code `TOPOLOGY_INVALID` */
export type ReportFault = (where: string, what: string, o?: { code?: Code; hint?: string }) => void

/** The events at a step's position in the topology. */
export interface StepPlace {
  readonly definition: Definition
  /** Is there a model before the step? */
  readonly isScored: boolean
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
  /** Its name in notes: `map`, `features.amount`. */
  readonly where: string
  /** The first argument: an event that reaches the step, a row of a table, or features by name. */
  readonly argument: 'event' | 'row' | 'features'
  /** Undefined or null if the author left it out. */
  readonly of: unknown
}

/** Shared by all steps of a task. */
export interface OperatorContext {
  readonly onLate: OnLate
  readonly lookup: Lookup
  /** How functions are evaluated on the events that reach the step. */
  readonly reader: Reader
  readonly keys: Dictionary
  readonly use: StateUse
  /** Must all results of a chunk be returned at once? */
  readonly isWhole: boolean
}

/** Opens the steps after a step. @param reader how functions are evaluated on its output */
type OpenSteps = (then: readonly Step[], reader: Reader) => readonly Operator[]

/** Arrivals ready to be processed further. An empty piece only lets others have their turn. */
export type ArrivalPieces = Iterable<readonly Arrivals[]>

/** A step of one task, with its state. */
export interface Operator {
  /** Processes the events of a chunk that reach it, in log order. */
  process(flow: Flow, run: ChunkRun): ArrivalPieces
  /** The watermark has advanced without an event. @default nothing happens */
  pass?(watermarkMs: number, run: ChunkRun): ArrivalPieces
  /** Evicts after a chunk, checking at most `most` keys, and `most` texts per column. */
  settle?(most: number): void
  /** @default none */
  readonly kept?: OperatorState
}

export interface OperatorState {
  /** Approximate, over all keys. */
  readonly bytes: number
  readonly texts: number
  /** The watermark at which it produces something without an event; +Infinity: never. */
  readonly nextEndMs: number
}

export interface OperatorRule<S extends Step> {
  /** Settings as in a description; lengths in ms. */
  detail(step: S, print: Print): Readonly<Record<string, unknown>>
  /** The parts of its detail that determine windows. @default all */
  decides?(step: S, detail: Readonly<Record<string, unknown>>): readonly unknown[]
  /** @default nothing */
  keeps?(step: S): Retention
  functions(step: S): Iterable<FunctionPlace>
  /** Reports what is wrong with it at its position. @default nothing is checked */
  check?(step: S, place: StepPlace, report: ReportFault): void
  open(step: S, open: OpenSteps, context: OperatorContext): Operator
}

export type ReportFieldFault = (what: string, o?: Parameters<ReportFault>[2]) => void

/** Reports a length that is not a whole number of ms above 0. */
export function checkLength(lengthMs: number, tell: ReportFieldFault): void {
  if (Number.isInteger(lengthMs) && lengthMs > 0) return
  tell(`window length ${lengthMs} ms must be a whole number above 0`)
}

/** Windows over scores are refused rather than kept over something else. */
export function checkPlace({ name }: Step, { isScored }: StepPlace, report: ReportFault): void {
  if (isScored) notSupported(name, 'windows over scores', { of: 'the scores', report })
}

/** Reports `NOT_SUPPORTED`, with the hint to use a second topology. */
export function notSupported(
  step: string,
  what: string,
  { of, report }: { readonly of: string; readonly report: ReportFault },
): void {
  report(step, what, {
    code: 'NOT_SUPPORTED',
    hint: `write ${of} to a topic, and read that topic in a second topology`,
  })
}

export function* functionsOf(
  name: string,
  columns: TumblingStep['columns'],
): Generator<FunctionPlace> {
  for (const [column, of] of Object.entries(columns)) {
    yield { where: `${name}.${column}`, argument: 'event', of }
  }
}
