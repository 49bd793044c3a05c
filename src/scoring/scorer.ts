// What the runtime asks of a model.

/** What a model makes of the rows of a batch. */
export interface Scores {
  /** One number a row for each of the model's `scoreColumns`, in their order. */
  readonly columns: readonly Float64Array[]
  /** Rows on which it fails, whatever they are run with. Their numbers are NaN. */
  readonly failed: ReadonlySet<number>
}

/** What a model makes of the rows that it is asked for, and how long it took. */
export interface Answer extends Scores {
  /**
   * Of the runs that these rows were in, whoever else's were with them, ms: without what they
   * waited for.
   */
  readonly runMs: number
}

/** Who computes a model: the worker, from its trees, or ONNX Runtime, and why that. */
export type Evaluator =
  | { readonly by: 'trees' }
  | { readonly by: 'onnxruntime'; readonly why: string }

/** For people. */
export function shownEvaluator(evaluator: Evaluator): string {
  return evaluator.by === 'trees' ? 'its trees, in the worker' : `ONNX Runtime (${evaluator.why})`
}

/** A loaded and proven model. */
export interface Scorer {
  readonly name: string
  /**
   * `name@version`, as outputs carry it; `name@version+<8 of sha256>` when the operator chose the
   * file.
   */
  readonly label: string
  readonly sha256: string
  readonly evaluator: Evaluator
  /** Largest batch that is run at once; longer ones are cut. It follows what batches take. */
  readonly maxBatch: number
  /**
   * Scores `count` rows of `rows` (row-major float32[count, features], features in the model's
   * order). The rows may be reused once this resolves. A score that is not finite is returned as it
   * is: the caller decides. The same row gives the same bits in any batch.
   *
   * @throws TidemarkError `MODEL_FAILING` when it fails on so many rows that they are not looked
   * for: it may be asked again
   */
  score(rows: Float32Array, count: number): Promise<Answer>
  /**
   * Waits for what is running, then frees the sessions. A thread is drained, never terminated: that
   * aborts the process.
   */
  close(): Promise<void>
}

/**
 * Which version of its model scores, as its label tells it: `1`, and `1+<8 of sha256>` when the
 * operator chose the file.
 */
export function versionOf({ name, label }: Pick<Scorer, 'name' | 'label'>): string {
  return label.slice(name.length + 1)
}
