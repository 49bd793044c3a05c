import type { StatedAccuracy } from './accuracy.ts'
import type { ModelDefinition } from './definition.ts'

/** A declared ONNX model. `F` are the names of its features, in order; `O` are its outputs. */
export interface Model<F extends readonly string[], O> {
  /** The model's name; outputs are marked with `name@version`. */
  readonly name: string
  /** The names of the columns of its input tensor, in order. */
  readonly features: F
  /** Where each output is, by its name in the topology. */
  readonly outputs: O
}

/**
 * Declares an ONNX model. `tidemark model types FILE --golden FILE` writes this call for you.
 *
 * Nothing is read here. A model whose file does not match its declaration is refused when a worker
 * starts, before it consumes anything: `MODEL_FILE`, `MODEL_SHA256`, `MODEL_LOAD`, `MODEL_INPUT`,
 * `MODEL_OUTPUT`, `MODEL_GOLDEN`, `MODEL_TOO_SLOW`.
 */
export function onnxModel<
  const F extends readonly string[],
  const O extends ModelDefinition['outputs'],
>(m: {
  /** Outputs are marked with `name@version`. */
  name: string
  /** Outputs are marked with `name@version`. */
  version: string
  /** The ONNX file. */
  file: URL
  /** SHA-256 of the file, in lower-case hex. */
  sha256: string
  /** Name of the only input tensor, float32[N, features]. */
  input: string
  /** Names of the columns of the input tensor, in order. */
  features: F
  /**
   * Where each output is: in a tensor [N] or [N, columns] of float32, float64, int32, int64 or
   * bool. `p: { tensor, column: 1 }` is one number, `s.score.p`, in the column with that index from
   * 0. `risk: { tensor, columns: ['low', 'high'] }` names all columns of its tensor,
   * `s.score.risk.low`. An int64 beyond ±(2^53 − 1) cannot be represented exactly: its event is a
   * dead letter `SCORE_NOT_FINITE`.
   */
  outputs: O
  /**
   * A file of rows with their expected outputs. Each start checks that the model reproduces them to
   * within 1e-5 of their size. @default none
   */
  golden?: URL
  /**
   * How accurate it is, by one measure, as `tidemark model evaluate` prints it. What is wrong is
   * refused at start: `TOPOLOGY_INVALID`. @default not stated
   */
  accuracy?: StatedAccuracy
}): Model<F, O> {
  const model: ModelDefinition & Model<F, O> = Object.freeze({ ...m })
  return model
}

/** The definition that a declared model is. */
export function modelDefinition(model: Model<readonly string[], unknown>): ModelDefinition {
  return model as Model<readonly string[], unknown> & ModelDefinition
}
