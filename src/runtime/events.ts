import type { Code } from '../kernel/errors.ts'
import type { StageTimes } from '../kernel/stages.ts'
import type { Loss, TopicPartition, Unreadable } from '../records/port.ts'

// What a worker tells whoever watches it: metrics, log, the live line of the demo. Never a payload
// or a key. At most a few events per chunk, so that watching costs nothing per record.

/** What became of records; in = scored + windowed + skipped + late + dead, always. */
export interface Outcomes {
  readonly scored: number
  /** Entered a tumbling window, and came to no output of their own. */
  readonly windowed: number
  /** Left out by a `where`. */
  readonly skipped: number
  /** Behind the watermark, whatever `onLate` did with them. */
  readonly late: number
  /** Dead letters other than late ones. */
  readonly dead: number
}

/** How a worker is; what may follow what is in `worker.ts`. */
export type WorkerState = 'starting' | 'running' | 'unavailable' | 'stopping' | 'stopped' | 'failed'

/** Something that a worker does or meets, by its `type`. */
export type RuntimeEvent =
  | {
      /** What the operator should know, though it stops nothing. */
      readonly type: 'note'
      readonly message: string
    }
  | { readonly type: 'state'; readonly state: WorkerState; readonly reason?: string }
  | {
      readonly type: 'assigned'
      readonly topology: string
      readonly partition: TopicPartition
      readonly nextOffset: number
    }
  | {
      /**
       * A task reads again, without output, what its windows need: once before the first record,
       * then after each chunk.
       */
      readonly type: 'restoring'
      readonly topology: string
      readonly partition: TopicPartition
      readonly fromOffset: number
      /** Where it has got to. */
      readonly nextOffset: number
      /** Where output begins. */
      readonly toOffset: number
      /**
       * About how long it will take from there, ms: by what it took so far, before the first record
       * a guess.
       */
      readonly leftMs: number
      /** Why it reads more than it would have to; `null` when it does not. */
      readonly reason: string | null
    }
  | {
      readonly type: 'restored'
      readonly topology: string
      readonly partition: TopicPartition
      readonly records: number
      readonly durationMs: number
    }
  | {
      /**
       * Output has begun though windows may lack records that were not read: it is marked until
       * they are whole.
       */
      readonly type: 'warming'
      readonly topology: string
      readonly partition: TopicPartition
      /** `null`: so it was when the group committed. */
      readonly reason: string | null
    }
  | {
      /** Windows that lacked records hold all that they should by now. */
      readonly type: 'whole'
      readonly topology: string
      readonly partition: TopicPartition
    }
  | {
      readonly type: 'lost'
      readonly topology: string
      readonly partition: TopicPartition
      /** `left`: this worker has left the group, or the group has ended its membership. */
      readonly why: Loss | 'left'
    }
  | {
      readonly type: 'consumed'
      readonly topology: string
      readonly partition: TopicPartition
      readonly records: number
      readonly bytes: number
      /** End of the partition when the chunk was read. */
      readonly endOffset: number
    }
  | {
      /** A chunk went through the engine and the model. */
      readonly type: 'processed'
      readonly topology: string
      readonly partition: TopicPartition
      readonly outcomes: Outcomes
      /** The first step that keeps windows, or else writes; the counts are by what it did. */
      readonly step: string
      /** Tumbling windows that closed, by the step that kept them. */
      readonly closed: ReadonlyMap<string, number>
      /** From its coming until its outputs were made, ms, with what it waited for. */
      readonly durationMs: number
      /** How long of that it was in each stage, ms. */
      readonly stages: StageTimes
      /** −Infinity before the first event. */
      readonly watermarkMs: number
      /** What the windows hold. */
      readonly keys: number
      readonly bytes: number
      /** The offset after the chunk. */
      readonly nextOffset: number
    }
  | {
      /** A broker has answered with records. */
      readonly type: 'fetched'
      /** Since it was asked. */
      readonly durationMs: number
    }
  | {
      /** A model has scored rows of a chunk. */
      readonly type: 'inference'
      readonly topology: string
      readonly model: string
      readonly version: string
      readonly rows: number
      /** Of the runs that they were in. */
      readonly durationMs: number
    }
  | {
      readonly type: 'late'
      readonly topology: string
      readonly step: string
      readonly action: 'dead-letter' | 'drop' | 'score'
      readonly count: number
    }
  | {
      readonly type: 'dead-letter'
      readonly topology: string
      /** The topic it goes to. */
      readonly topic: string
      readonly step: string
      readonly code: Code
      readonly message: string
      /** Where the record stands: `payments-3@1041`. */
      readonly at: string
    }
  | {
      readonly type: 'committed'
      readonly outputs: readonly {
        readonly topic: string
        readonly records: number
        readonly bytes: number
        /**
         * From a record's own timestamp to its output's acknowledgement, ms: the oldest output of
         * each chunk in the commit.
         */
        readonly endToEndMs: readonly number[]
      }[]
      readonly nextOffsets: readonly {
        readonly partition: TopicPartition
        readonly nextOffset: number
      }[]
      readonly durationMs: number
    }
  | {
      /**
       * Events of a chunk lie in another partition than others of their key, so that its windows
       * are split.
       */
      readonly type: 'key-mismatch'
      readonly topology: string
      readonly partition: TopicPartition
      readonly events: number
      /** Of the first of them. */
      readonly offset: number
      /**
       * Where else its key lies: an offset at which it was seen, or `null` where its partitioner
       * places it.
       */
      readonly elsewhere: TopicPartition & { readonly offset: number | null }
    }
  | {
      /**
       * A model fails on nearly all events of a partition, which waits until it answers; `null`: it
       * answers again.
       */
      readonly type: 'model-failing'
      readonly topology: string
      readonly partition: TopicPartition
      readonly step: string
      readonly reason: string | null
    }
  | {
      /**
       * Too many of a partition's last records are dead letters of a topology, so that it goes on
       * slowly; or they are not any more.
       */
      readonly type: 'breaker'
      readonly partition: TopicPartition
      readonly isOpen: boolean
      /** Of the topology that has most. */
      readonly deadPercent: number
    }
  | {
      /** A commit is on its way for so long, and will end: told once. */
      readonly type: 'commit-slow'
      readonly durationMs: number
    }
  | {
      /** The commit that was slow or failed is done by now, or all of it is lost. */
      readonly type: 'commit-over'
    }
  | {
      /**
       * Partitions that could not be read for some seconds, or wait to be handed over: all of them,
       * whenever that changes.
       */
      readonly type: 'unreadable'
      readonly partitions: readonly Unreadable[]
    }
  | {
      /**
       * Commits are held up by the way to the brokers: so much gets through. `null`: they are not
       * any more.
       */
      readonly type: 'writing-slow'
      readonly bytesPerSecond: number | null
    }
  | {
      /** The broker makes the worker wait for so long, since it is over a quota. */
      readonly type: 'throttled'
      readonly of: 'reading' | 'writing'
      readonly durationMs: number
    }
  | {
      /**
       * A commit failed and is tried again: because the group rebalances only once none has
       * succeeded for 5 s.
       */
      readonly type: 'commit-failed'
      readonly code: Code
      readonly reason: string
      readonly nextAttemptMs: number
    }

/** Is told what a worker does, as it does it. */
export type Observer = (event: RuntimeEvent) => void
