import type { Code } from '../../kernel/errors.ts'
import type { Reader } from '../../plan/events.ts'
import type { Definition, Step, TumblingStep } from '../../topology/definition.ts'
import type { Lookup } from '../../topology/lookup.ts'
import type { OnLate } from '../../topology/source.ts'
import type { Dictionary } from '../dictionary.ts'
import type { Arrivals, Flow } from '../events.ts'
import type { KeyedState } from '../keyed-state.ts'
import type { ChunkRun } from '../run.ts'
import type { StateUse } from '../state-limits.ts'

// All there is to know about one kind of step. Everything that is reported about a topology, and
// everything that is done with its events, is derived from these rules: no other code checks the
// kind of a step. (The design is that of Arroyo's `ArrowOperator`: process_batch, handle_watermark,
// tables.)

/** Prints a function for a description. */
export type Print = (of: (...args: never[]) => unknown) => string

/** Reports a fault of a step. @default code `TOPOLOGY_INVALID` */
export type ReportFault = (where: string, what: string, o?: { code?: Code; hint?: string }) => void

/** What the events are at a step's position in the topology. */
export interface StepPlace {
  readonly definition: Definition
  /** Is there a model before the step? */
  readonly isScored: boolean
  /** The tumbling step whose results the events are; `null`: none. */
  readonly results: TumblingStep | null
}

/** How long a step keeps what it keeps between events. */
export interface Retention {
  /** How far behind the watermark of its input it looks, ms. */
  readonly lengthMs: number
  /** How much older than an event of its output the events may be that decide about it, ms. */
  readonly delayMs: number
  /** Names of what it remembers forever. */
  readonly forEver: readonly string[]
}

/** A place where an author may have put a function. */
export interface FunctionPlace {
  /** The place's name in notes: `map`, `features.amount`. */
  readonly where: string
  /** Its first argument: an event that reaches the step, a row of a table, or features by name. */
  readonly argument: 'event' | 'row' | 'features'
  /** The function; undefined or null if the author left it out. */
  readonly of: unknown
}

/** What a task provides to its steps. */
export interface OperatorContext {
  readonly onLate: OnLate
  readonly lookup: Lookup
  /** How functions are evaluated on the events that reach the step. */
  readonly reader: Reader
  /** Numbers of the events' keys. */
  readonly keys: Dictionary
  readonly use: StateUse
  /** Must all results of a chunk be returned at once? */
  readonly isWhole: boolean
}

/** Opens the steps after a step. @param reader how functions are evaluated on its output */
type OpenSteps = (then: readonly Step[], reader: Reader) => readonly Operator[]

/**
 * Arrivals that are ready to be processed further. An empty piece only lets others have their turn.
 */
export type ArrivalPieces = Iterable<readonly Arrivals[]>

/** A step of one task, with its state. */
export interface Operator {
  /** Processes the events of a chunk that reach it, in log order. */
  process(flow: Flow, run: ChunkRun): ArrivalPieces
  /** The watermark has advanced without an event. @default nothing happens */
  pass?(watermarkMs: number, run: ChunkRun): ArrivalPieces
  /**
   * Called after each chunk: evicts what may be evicted, checking at most `most` keys, and `most`
   * texts per column.
   */
  settle?(most: number): void
  /** Its state. @default none */
  readonly kept?: OperatorState
}

/** The state that an operator keeps by key. */
export interface OperatorState {
  readonly states: readonly KeyedState[]
  /** Approximate bytes, over all keys. */
  readonly bytes: number
  /** Number of different texts. */
  readonly texts: number
  /** The watermark at which it produces something without an event; +Infinity: never. */
  readonly nextEndMs: number
}

/** The rule of one kind of step. */
export interface OperatorRule<S extends Step> {
  /** Its settings, as they appear in a description; lengths in ms. */
  detail(step: S, print: Print): Readonly<Record<string, unknown>>
  /** The parts of its detail that determine the content of windows. @default all */
  decides?(step: S, detail: Readonly<Record<string, unknown>>): readonly unknown[]
  /** What the step keeps between events. @default nothing */
  keeps?(step: S): Retention
  /** The places where the step may have a function. */
  functions(step: S): Iterable<FunctionPlace>
  /** Reports what is wrong with it at its position. @default nothing is checked */
  check?(step: S, place: StepPlace, report: ReportFault): void
  /** Opens the step for one task. */
  open(step: S, open: OpenSteps, context: OperatorContext): Operator
}
