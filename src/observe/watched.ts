import type { Code } from '../kernel/errors.ts'

/** A model that runs. */
export interface WatchedModel {
  readonly model: string
  /** Of the file that runs: with `+` and 8 digits of its hash when the operator chose it. */
  readonly version: string
  readonly sha256: string
  /** Who computes it: `trees` or `onnxruntime`. */
  readonly evaluator: string
}

/** What is known of a topology before its first event: its series exist from the start. */
export interface WatchedTopology {
  readonly topology: string
  /** The topic it reads. */
  readonly source: string
  /** The topics it writes, dead letters last. */
  readonly outputs: readonly string[]
  readonly deadLetterTopic: string
  /** The step by which outcomes are told. */
  readonly step: string
  /** Steps that find events late, and what is done with those. */
  readonly late: { readonly steps: readonly string[]; readonly action: string }
  /** Steps that keep tumbling windows. */
  readonly tumbling: readonly string[]
  /** Why a record may be set aside, and at which step. */
  readonly deadLetters: readonly { readonly step: string; readonly code: Code }[]
  readonly models: readonly WatchedModel[]
  /**
   * Score steps that say what their predictions are for, and how soon those are to be there, ms.
   */
  readonly latency: readonly {
    readonly step: string
    readonly targetMs: number
    readonly maximumMs: number
  }[]
}
