import type { Code } from '../kernel/errors.ts'

/** A model in use. */
export interface WatchedModel {
  readonly model: string
  /**
   * Version of the file in use: with `+` and 8 digits of its hash when the operator chose the file.
   */
  readonly version: string
  readonly sha256: string
  /** What computes it: `trees` or `onnxruntime`. */
  readonly evaluator: string
  /** Memory of its sessions, bytes, as estimated. */
  readonly bytes: number
  /** Threads that run it, besides the event loop. */
  readonly threads: number
}

/**
 * What is known about a topology before its first event, so that its series exist from the start.
 */
export interface WatchedTopology {
  readonly topology: string
  /** The topic it reads. */
  readonly source: string
  /** The topics it writes, dead letters last. */
  readonly outputs: readonly string[]
  readonly deadLetterTopic: string
  /** The step that outcomes are reported for. */
  readonly step: string
  /** Steps that detect late events, and what is done with those. */
  readonly late: { readonly steps: readonly string[]; readonly action: string }
  /** Steps that keep tumbling windows. */
  readonly tumbling: readonly string[]
  /** The reasons for which a record may be set aside, and at which step. */
  readonly deadLetters: readonly { readonly step: string; readonly code: Code }[]
  readonly models: readonly WatchedModel[]
  /** Which model scores an event, by the route. */
  readonly routes: readonly {
    readonly model: string
    readonly version: string
    readonly route: string
    /** What may become of the rows that the model gets this way. */
    readonly outcomes: readonly string[]
  }[]
  /** Models that are only watched, with the step that each is of. */
  readonly shadows: readonly (WatchedModel & { readonly step: string })[]
  /** Its lookup tables, by their names in metrics. */
  readonly tables: readonly string[]
  /**
   * Score steps with a latency budget: how soon their predictions should be there and must be
   * there, ms.
   */
  readonly latency: readonly {
    readonly step: string
    readonly targetMs: number
    readonly maximumMs: number
  }[]
}
