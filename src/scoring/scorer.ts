import type { TidemarkError } from '../kernel/errors.ts'

// The interface between the runtime and a model.

/** The scores of a batch. */
export interface Scores {
  /** One number a row for each of the model's `scoreColumns`, in their order. */
  readonly columns: readonly Float64Array[]
  /** Rows on which the model fails in any batch. Their numbers are NaN. */
  readonly failed: ReadonlySet<number>
}

/** The scores of the rows of one call, and how long they took. */
export interface Answer extends Scores {
  /**
   * Rows that got no answer in time, or never will: their model hangs, or its thread has ended.
   * Their numbers are NaN. Empty unless the model is guarded.
   */
  readonly lost: ReadonlySet<number>
  /** By row, why it has failed, where more is known than that. @default nothing more is */
  readonly errors?: ReadonlyMap<number, TidemarkError>
  /** Total time of the runs that these rows were in, ms; without the time that they queued. */
  readonly runMs: number
}

/**
 * What computes a model: the worker, from its trees; ONNX Runtime, and why ONNX Runtime; or a
 * function of the author's.
 */
export type Evaluator =
  | { readonly by: 'trees' }
  | { readonly by: 'function' }
  | { readonly by: 'onnxruntime'; readonly why: string }

/** An evaluator as shown to users. */
export function shownEvaluator(evaluator: Evaluator): string {
  if (evaluator.by === 'trees') return 'its trees, in the worker'
  return evaluator.by === 'function' ? 'its function' : `ONNX Runtime (${evaluator.why})`
}

/** No row is `failed`, or `lost`. */
export const NO_ROWS: ReadonlySet<number> = new Set()

/** What a model takes of the machine. */
export interface ModelSize {
  /** Memory of all its sessions, bytes, as measured in another process; `null`: unknown. */
  readonly bytes: number | null
  /** Threads that run it, besides the event loop. */
  readonly threads: number
}

/**
 * Whether a model takes batches: `hung`, not until the run returns that was given up; `ended`,
 * never again, since its thread has ended.
 */
export type ScorerState = 'open' | 'hung' | 'ended'

/** What a model takes, as shown to users after other things: `, 12.3 MB, 1 thread`. */
export function shownSize({ bytes, threads }: ModelSize): string {
  const memory = bytes === null ? '' : `, ${Math.round(bytes / 100_000) / 10} MB`
  return threads === 0 ? memory : `${memory}, ${threads} thread`
}

/** A model that has been loaded and has passed all checks. */
export interface Scorer {
  readonly name: string
  /**
   * `name@version`, as in outputs; `name@version+<8 hex digits of sha256>` when the operator chose
   * the file.
   */
  readonly label: string
  readonly sha256: string
  readonly evaluator: Evaluator
  /** Shared by all models that run the same bytes in the same way. */
  readonly size: ModelSize
  /** Largest batch, rows; larger calls are split. Changes with how long batches take. */
  readonly maxBatch: number
  /** Always `open` unless the model is guarded. */
  readonly state: ScorerState
  /**
   * How long a call with so many rows would take now, ms: what waits before it counts, and how long
   * batches have taken of late.
   */
  answerMs(rows: number): number
  /**
   * Called when another model was asked since this one would take too long. While it has nothing to
   * do, it slowly forgets how long its last batches took, so that it is tried again.
   */
  passOver(): void
  /**
   * Scores `count` rows of `rows` (row-major float32[count, features], features in the model's
   * order). The rows may be reused once this resolves. Scores that are not finite are returned
   * unchanged; the caller decides about them. The same row returns the same bits in any batch.
   *
   * @throws TidemarkError `MODEL_FAILING` when none of the rows was found that it can score; the
   * call may be retried · `MODEL_LOST` when it hangs, or its thread has ended; if it is guarded,
   * the rows are `lost` instead
   */
  score(rows: Float32Array, count: number): Promise<Answer>
  /**
   * Waits for the runs in flight, 5 s at most, then frees the sessions. A thread is drained and
   * never terminated, since that would abort the process; one that hangs is left alone.
   */
  close(): Promise<void>
}

/**
 * The version of the model, from its label: `1`, or `1+<8 hex digits of sha256>` when the operator
 * chose the file.
 */
export function versionOf({ name, label }: Pick<Scorer, 'name' | 'label'>): string {
  return label.slice(name.length + 1)
}
