import type { ModelDefinition } from './definition.ts'

/** An ONNX model whose feature names, in order, and outputs are known to the type system. */
export interface Model<F extends readonly string[], O> {
  /** Outputs say `name@version`. */
  readonly name: string
  /** The columns of its input, in order. */
  readonly features: F
  /** Where each score is, by the name a topology reads it by. */
  readonly outputs: O
}

/**
 * Declares a model. `tidemark model types FILE --golden FILE` writes the call for you.
 *
 * `name`, `version`: what outputs say, `name@version`. `file`: the ONNX file. `sha256`: of its
 * bytes, in lower-case hex. `input`: the name of its one input tensor, float32[N, features].
 * `features`: that tensor's columns, in order. `golden`: a file of rows with the outputs they must
 * give within 1e-5 of their size at every start, @default none.
 *
 * `outputs`: where each score is, in a tensor [N] or [N, columns] of float32, float64, int32, int64
 * or bool. `p: { tensor, column: 1 }` is one number, `s.score.p`; `risk: { tensor, columns: ['low',
 * 'high'] }` names every column of its tensor, `s.score.risk.low`. An int64 beyond ±(2^53 − 1) has
 * no number of its own: its event is a dead letter `SCORE_NOT_FINITE`.
 *
 * Nothing is read here. A file that is not what this says is refused when a worker starts, before
 * it consumes anything: `MODEL_FILE`, `MODEL_SHA256`, `MODEL_LOAD`, `MODEL_INPUT`, `MODEL_OUTPUT`,
 * `MODEL_GOLDEN`, `MODEL_TOO_SLOW`.
 */
export function onnxModel<
  const F extends readonly string[],
  const O extends ModelDefinition['outputs'],
>(m: {
  name: string
  version: string
  file: URL
  sha256: string
  input: string
  features: F
  outputs: O
  golden?: URL
}): Model<F, O> {
  const model: ModelDefinition & Model<F, O> = Object.freeze({ ...m })
  return model
}

/** The data behind the type. */
export function modelDefinition(model: Model<readonly string[], unknown>): ModelDefinition {
  return model as Model<readonly string[], unknown> & ModelDefinition
}
