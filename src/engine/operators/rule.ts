import type { Code } from '../../kernel/errors.ts'
import type { Reader } from '../../plan/events.ts'
import type { Definition, OnLate, Step, TumblingStep } from '../../topology/definition.ts'
import type { Lookup } from '../../topology/lookup.ts'
import type { Dictionary } from '../dictionary.ts'
import type { Arrivals, Flow } from '../events.ts'
import type { KeyedState } from '../keyed-state.ts'
import type { Run } from '../run.ts'
import type { StateUse } from '../state-limits.ts'

// What there is to say of one kind of step. All that is told of a topology, and all that is done
// with its events, follows from these: nobody else asks which kind a step is of. (The shape is
// Arroyo's `ArrowOperator`: process_batch, handle_watermark, tables.)

/** How a function appears in a description. */
export type Print = (of: (...args: never[]) => unknown) => string

/** Tells a fault of a step. @default code `TOPOLOGY_INVALID` */
export type Report = (where: string, what: string, o?: { code?: Code; hint?: string }) => void

/** What has become of the source's events where a step stands. */
export interface Place {
  readonly definition: Definition
  /** Has a model answered? */
  readonly isScored: boolean
  /** The tumbling step whose results they are. */
  readonly results: TumblingStep | null
}

/** What a step keeps between events. */
export interface Keeps {
  /** How far behind the watermark of what it takes it looks, ms. */
  readonly lengthMs: number
  /** By how much what it gives may lag behind what it takes, ms. */
  readonly delayMs: number
  /** What of it is remembered for ever, by name. */
  readonly forEver: readonly string[]
}

/** Where an author may have put a function. */
export interface FunctionPlace {
  /** As notes name it: `map`, `features.amount`. */
  readonly where: string
  /** What it is given: what comes to the step, or a row of a table. */
  readonly takes: 'event' | 'row'
  /** Nothing where the author has left it out. */
  readonly of: unknown
}

/** What a step of a task is given to work with. */
export interface Around {
  readonly onLate: OnLate
  readonly lookup: Lookup
  /** How functions of what comes to it are asked. */
  readonly reader: Reader
  /** The keys of events, by their numbers. */
  readonly keys: Dictionary
  readonly use: StateUse
  /** Must all that a chunk comes to be given at once? */
  readonly isWhole: boolean
}

/** Opens the steps behind one. @param reader how functions of what it gives are asked */
type Open = (then: readonly Step[], reader: Reader) => readonly Operator[]

/** Arrivals that may go on already. An empty piece: there is time for others. */
export type Pieces = Iterable<readonly Arrivals[]>

/** A step of one task, with what it keeps. */
export interface Operator {
  /** Takes what comes to it of a chunk, in log order. */
  take(flow: Flow, run: Run): Pieces
  /** The watermark has passed on without an event. @default nothing comes of it */
  pass?(watermarkMs: number, run: Run): Pieces
  /**
   * A chunk is over: it lets go what it may, looking at no more than `most` keys, and texts of a
   * column.
   */
  settle?(most: number): void
  /** What it keeps. @default nothing */
  readonly kept?: Kept
}

/** What an operator keeps of its keys. */
export interface Kept {
  readonly states: readonly KeyedState[]
  /** About so many, of all keys. */
  readonly bytes: number
  /** Different texts. */
  readonly texts: number
  /** When something comes of it without an event, by the watermark; +Infinity: nothing will. */
  readonly nextEndMs: number
}

export interface OperatorRule<S extends Step> {
  /** What it was told, as a description has it; lengths in ms. */
  detail(step: S, print: Print): Readonly<Record<string, unknown>>
  /** What of its detail decides what windows hold. @default all */
  decides?(step: S, detail: Readonly<Record<string, unknown>>): readonly unknown[]
  /** @default nothing */
  keeps?(step: S): Keeps
  functions(step: S): Iterable<FunctionPlace>
  /** Tells what is wrong with it, where it stands. @default nothing can be */
  check?(step: S, place: Place, report: Report): void
  open(step: S, open: Open, around: Around): Operator
}
