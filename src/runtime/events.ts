import type { Loss, RebalanceCause, TopicPartition } from '../connect/port.ts'
import type { Code } from '../kernel/errors.ts'
import type { StageTimes } from '../kernel/stages.ts'
import type { LookupCounts } from '../lookup/rows.ts'
import type { StoreCounts, StoreReport } from '../lookup/store.ts'
import type { TroubleReport } from './troubles.ts'

// Reports of a worker to its observers: metrics, log, the live line of the demo. Never a payload
// or a key. At most a few events per chunk, so that observing costs nothing per record.

/**
 * Outcomes of records, as counts; in = scored + windowed + skipped + duplicate + late + dead,
 * always.
 */
export interface Outcomes {
  readonly scored: number
  /** Entered a tumbling window, without an output of their own. */
  readonly windowed: number
  /** Left out by a `where`. */
  readonly skipped: number
  /** Left out by a `dedupe`. */
  readonly duplicate: number
  /** Behind the watermark, whatever `onLate` did with them. */
  readonly late: number
  /** Dead letters other than late ones. */
  readonly dead: number
}

/** Rows that were given to a model, by what became of them. */
interface ScoreAttempt {
  readonly model: string
  readonly version: string
  /** Why it was given them: as in `s.route`. */
  readonly route: string
  /** `scored`, or why it has not scored them. */
  readonly outcome: string
  readonly rows: number
}

/** The state of a worker; `worker.ts` has the transitions. */
export const WORKER_STATES = [
  ...(['starting', 'running', 'unavailable', 'stopping', 'stopped', 'failed'] as const),
] as const
export type WorkerState = (typeof WORKER_STATES)[number]

/** Which topology an event is about, on which partition. */
export interface TaskLabels {
  readonly topology: string
  readonly partition: TopicPartition
}

/** The windows of a task, as they are when an event is told. */
export interface TaskWindows extends TaskLabels {
  /** −Infinity before the first event. */
  readonly watermarkMs: number
  /** Keys in the windows, and their approximate size. */
  readonly keys: number
  readonly bytes: number
}

/** Which shadow an event is about. */
export interface ShadowLabels {
  readonly topology: string
  /** Name of the score step. */
  readonly step: string
  readonly model: string
}

/** Which store an event is about. */
interface StoreLabels {
  readonly topology: string
  readonly store: string
}

/** How much scores differ from others: their means, and quantiles. */
type ScoreDifference = Readonly<
  Record<'mean' | 'absoluteMean' | 'p1' | 'p5' | 'p50' | 'p95' | 'p99', number>
>

/** The fields of an event, by its type. */
interface RuntimeEvents {
  /** A note that the operator should read; not an error. */
  note: { readonly message: string }
  state: { readonly state: WorkerState; readonly reason?: string }
  assigned: TaskLabels & { readonly nextOffset: number }
  /**
   * A task replays, without output, what its windows need: sent once before the first record,
   * then after each chunk.
   */
  restoring: TaskLabels & {
    readonly fromOffset: number
    /** The next offset to replay. */
    readonly nextOffset: number
    /** The offset at which output begins. */
    readonly toOffset: number
    /** Why it reads more than necessary; `null`: it does not. */
    readonly reason: string | null
  }
  restored: TaskWindows & { readonly records: number; readonly durationMs: number }
  /**
   * Output has begun although windows may lack records that were not read: outputs are marked
   * until the windows are complete.
   */
  warming: TaskLabels & {
    /** `null`: the windows were incomplete already when the group committed. */
    readonly reason: string | null
  }
  /** Windows that lacked records are now complete. */
  whole: TaskLabels
  lost: TaskLabels & {
    /** `left`: this worker has left the group, or its membership has ended. */
    readonly why: Loss | 'left'
  }
  consumed: TaskLabels & {
    readonly records: number
    readonly bytes: number
    /** Log end offset when the chunk was read. */
    readonly endOffset: number
  }
  /** A chunk has passed the engine and the model. */
  processed: TaskWindows & {
    readonly outcomes: Outcomes
    /**
     * The first step that keeps windows, or else the first that writes; the outcomes are counted
     * there.
     */
    readonly step: string
    /** Number of tumbling windows that closed, by step. */
    readonly closed: ReadonlyMap<string, number>
    /** Time from the chunk's arrival until its outputs were made, ms, including waits. */
    readonly durationMs: number
    /** The part of that time spent in each stage, ms. */
    readonly stages: StageTimes
    /** The offset after the chunk. */
    readonly nextOffset: number
  }
  /** A broker has returned records. */
  fetched: {
    /** Time since the request, ms. */
    readonly durationMs: number
  }
  /** A model has scored rows of a chunk. */
  inference: {
    readonly topology: string
    readonly model: string
    readonly version: string
    readonly rows: number
    /** Time of the model runs that they were part of, ms. */
    readonly durationMs: number
  }
  /** A shadow has scored rows, or has left some out. */
  'shadow-rows': ShadowLabels & {
    readonly scored: number
    /** It has no score for them. */
    readonly failed: number
    /** It was behind, or is off. */
    readonly dropped: number
  }
  /**
   * How far a shadow agrees with the scores that were published, since the worker has started:
   * at most once a second. A difference is its score minus the published one.
   */
  'shadow-parity': ShadowLabels & {
    readonly pairs: number
    readonly difference: ScoreDifference
    /** Population stability index; `null` with fewer than 100 pairs. */
    readonly psi: number | null
  }
  /** Outputs of a shadow were written, or dropped because they could not be written in time. */
  'shadow-outputs': ShadowLabels & { readonly written: number; readonly dropped: number }
  /** A score step has given the rows of a chunk to its models. */
  scored: {
    readonly topology: string
    /** A row that was given to two models, to the second as a fallback, is in two. */
    readonly attempts: readonly ScoreAttempt[]
    /** Scores that were published, by row: of the first output. */
    readonly scores: Float64Array
    /** By row, the index in `models` of what scored it. */
    readonly decided: Uint8Array
    /** The same array for as long as a partition is scored by the same models. */
    readonly models: readonly { readonly model: string; readonly version: string }[]
  }
  late: {
    readonly topology: string
    readonly step: string
    readonly action: 'dead-letter' | 'drop' | 'score'
    readonly count: number
  }
  'dead-letter': {
    readonly topology: string
    /** The dead-letter topic. */
    readonly topic: string
    readonly step: string
    readonly code: Code
    readonly message: string
    /** Position of the record: `payments-3@1041`. */
    readonly at: string
  }
  committed: {
    readonly outputs: readonly {
      readonly topic: string
      /** No: dead letters and verdicts are written there. */
      readonly isOutput: boolean
      readonly records: number
      readonly bytes: number
      /**
       * Time from a record's timestamp to the acknowledgement of its output, ms: of the oldest
       * output of each chunk in the commit.
       */
      readonly endToEndMs: readonly number[]
    }[]
    readonly nextOffsets: readonly {
      readonly partition: TopicPartition
      readonly nextOffset: number
    }[]
    readonly durationMs: number
  }
  /**
   * Events of a chunk are in another partition than others of their key, so that the key's
   * windows are split.
   */
  'key-mismatch': TaskLabels & {
    readonly events: number
    /** Offset of the first of them. */
    readonly offset: number
    /**
     * Where else its key belongs: an offset at which it was seen, or `null` for the partition
     * that its partitioner chooses.
     */
    readonly elsewhere: TopicPartition & { readonly offset: number | null }
  }
  /** A table's topic is being read before the first event: at most once a second. */
  'table-loading': {
    readonly table: string
    /** Records that were read. */
    readonly records: number
    /** About how many there are. */
    readonly total: number
  }
  /** A table's topic was read whole: from now on it is followed. */
  'table-loaded': {
    readonly table: string
    readonly rows: number
    readonly durationMs: number
  }
  /** A table's file has changed and was read again. */
  'table-reloaded': {
    readonly table: string
    readonly rows: number
    /** A hash of the file, as in the header `tidemark-tables`. */
    readonly contents: string
  }
  /** Records of a table were applied, or the lines of its file. */
  'table-read': {
    readonly table: string
    readonly records: number
    /** Its rows now, with `asOf` their versions, and about how many bytes they take. */
    readonly rows: number
    readonly bytes: number
    /** Records of its topic that are not applied yet, as far as known. */
    readonly lag: number
  }
  /** A record of a table's topic is invalid, and its key has no row now. */
  'table-row-invalid': {
    readonly table: string
    readonly code: Code
    readonly message: string
    /** Position of the record: `merchants-3@1041`. */
    readonly at: string
  }
  /** Results of a chunk's look-ups in a table. */
  'looked-up': { readonly table: string } & Readonly<LookupCounts>
  /** Results of a chunk's look-ups in a store. */
  'store-read': StoreLabels &
    StoreCounts & {
      /** Size of the rows in memory. */
      readonly bytes: number
    }
  /** A store has been asked for rows, or did not take those that were written back. */
  'store-asked': StoreLabels & StoreReport
  /** A request was answered; `waiting` others are. */
  request: {
    readonly route: RequestRoute
    /** The status of HTTP. */
    readonly code: number
    readonly durationMs: number
    readonly waiting: number
  }
  /** A trouble has begun, or goes on for another reason; or it is over. */
  trouble: TroubleReport
  /** The group begins to divide its partitions anew. */
  rebalance: { readonly cause: RebalanceCause }
  /** The broker throttles the worker for this time, because it exceeds a quota. */
  throttled: { readonly of: 'reading' | 'writing'; readonly durationMs: number }
  /**
   * A commit failed and will be retried. If the reason is a rebalance, it is reported only once
   * no commit has succeeded for 5 s.
   */
  'commit-failed': {
    readonly code: Code
    readonly reason: string
    readonly nextAttemptMs: number
  }
}

/** An event in a worker, by its `type`. */
export type RuntimeEvent = {
  [T in keyof RuntimeEvents]: { readonly type: T } & RuntimeEvents[T]
}[keyof RuntimeEvents]

/** Routes of requests, as metrics call them; `none`: there is no such path. */
export const REQUEST_ROUTES = [
  ...(['predict_topology', 'state', 'predict', 'infer', 'model', 'model_ready'] as const),
  ...(['server', 'health', 'live', 'ready', 'none'] as const),
] as const
export type RequestRoute = (typeof REQUEST_ROUTES)[number]

/** Called with what a worker does, as it happens. */
export type Observer = (event: RuntimeEvent) => void
