import type { TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition, OutputShape } from '../topology/models.ts'

// The interface between the runtime and a model.

export interface Scores {
  /** One number a row for each of the model's `scoreColumns`. */
  readonly columns: readonly Float64Array[]
  /** Rows on which the model fails in any batch. Their numbers are NaN. */
  readonly failed: ReadonlySet<number>
}

export interface Answer extends Scores {
  /** Rows without an answer in time, if the model is guarded. Their numbers are NaN. */
  readonly lost: ReadonlySet<number>
  readonly errors?: ReadonlyMap<number, TidemarkError>
  /** Time of the runs of these rows, ms, without the time that they queued. */
  readonly runMs: number
}

export type Evaluator =
  | { readonly by: 'trees' }
  | { readonly by: 'function' }
  | { readonly by: 'onnxruntime'; readonly why: string; readonly provider: string }

export function shownEvaluator(evaluator: Evaluator): string {
  if (evaluator.by === 'trees') return 'its trees, in the worker'
  if (evaluator.by === 'function') return 'its function'
  return `${shownProvider(evaluator.provider)} (${evaluator.why})`
}

export function shownProvider(provider: string): string {
  return provider === 'cpu' ? 'ONNX Runtime' : `ONNX Runtime on ${provider}`
}

export const NO_ROWS: ReadonlySet<number> = new Set()

export interface ModelSize {
  /** Memory of all its sessions, bytes, estimated from the size of its file. */
  readonly bytes: number
  /** Threads besides the event loop. */
  readonly threads: number
}

/** `hung`: no batches until a run returns that was given up; `ended`: its thread has ended. */
export type ScorerState = 'open' | 'hung' | 'ended'

/** A suffix for users: `, 12.3 MB, 1 thread`. */
export function shownSize({ bytes, threads }: ModelSize): string {
  const memory = `, ${megabytes(bytes)}`
  return threads === 0 ? memory : `${memory}, ${threads} thread`
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 100_000) / 10} MB`
}

/** A loaded model that has passed all checks. */
export interface Scorer {
  readonly name: string
  /** `name@version`, with `+<8 hex digits of sha256>` when the operator chose the file. */
  readonly label: string
  readonly sha256: string
  readonly evaluator: Evaluator
  /** Shared by all models that run the same bytes in the same way. */
  readonly size: ModelSize
  /** Names of the output tensors that are float32. @default none is */
  readonly float32?: ReadonlySet<string> | undefined
  /** Largest batch, rows; larger calls are split. Changes with how long batches take. */
  readonly maxBatch: number
  readonly state: ScorerState
  /** ms that a call would take now, with the rows before it, at the pace of recent batches. */
  answerMs(rows: number): number
  /**
   * Another model was asked. An idle one slowly forgets slow batches, so that it is tried again.
   */
  passOver(): void
  /**
   * `rows`: row-major float32[count, features] in the model's order, reusable once this resolves.
   * `yields`: rows of others that wait go first, @default no.
   * Scores that are not finite are returned unchanged. The same row returns the same bits in any
   * batch. @throws TidemarkError `MODEL_FAILING` when it scored none of the rows: the call may be
   * retried · `MODEL_LOST` when it hangs or its thread has ended; rows of a guarded model are
   * `lost` instead
   */
  score(rows: Float32Array, count: number, yields?: boolean): Promise<Answer>
  /** Waits 5 s at most for runs. A thread is drained: terminating it would abort the process. */
  close(): Promise<void>
}

/** The version from a model's label, with the hash if the operator chose the file. */
export function versionOf({ name, label }: Pick<Scorer, 'name' | 'label'>): string {
  return label.slice(name.length + 1)
}

export interface ScoreColumn {
  /** `probability`, `risk.low`. */
  readonly name: string
  readonly tensor: string
  readonly column: number
  /** Columns that the tensor must have, if all are named; `null`: enough for this one. */
  readonly width: number | null
}

/** The numbers of a model: outputs as declared, and the columns of each in their order. */
export function scoreColumns(outputs: ModelDefinition['outputs']): ScoreColumn[] {
  return Object.entries(outputs).flatMap(([name, { tensor, column, columns }]): ScoreColumn[] => {
    if (columns === undefined) return [{ name, tensor, column, width: null }]
    const width = columns.length
    return columns.map((c, i) => ({ name: `${name}.${c}`, tensor, column: i, width }))
  })
}

export function columnNames(outputs: Readonly<Record<string, OutputShape>>): string[] {
  return Object.entries(outputs).flatMap(([name, { columns }]) =>
    columns === undefined ? [name] : columns.map((column) => `${name}.${column}`),
  )
}
