import type { ModelDefinition } from './definition.ts'

/** An ONNX model whose feature names, in order, and outputs are known to the type system. */
export interface Model<F extends readonly string[], O> {
  readonly name: string
  readonly features: F
  readonly outputs: O
}

/**
 * Declares a model. `tidemark model types FILE --golden FILE` writes the call for you.
 *
 * `features`: the columns of the input tensor, float32[N, features], in order. `golden`: rows with the outputs they must give
 * at every start.
 *
 * `outputs`: where each score is, in a tensor [N] or [N, columns] of float32, float64, int32, int64 or bool.
 * `p: { tensor, column: 1 }` is one number, `s.score.p`; `risk: { tensor, columns: ['low', 'high'] }` names every column of its
 * tensor, `s.score.risk.low`. An int64 beyond ±(2^53 − 1) has no number of its own: its event is a dead letter `SCORE_NOT_FINITE`.
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
