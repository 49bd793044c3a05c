import type { ModelDefinition } from './definition.ts'

/** An ONNX model whose feature names, in order, and outputs are known to the type system. */
export interface Model<F extends readonly string[], O> {
  readonly name: string
  readonly features: F
  readonly outputs: O
}

type Outputs = Record<string, { readonly tensor: string; readonly column: number }>

/**
 * Declares a model. `tidemark model types FILE --golden FILE` writes the call for you.
 *
 * `features`: the columns of the input tensor, float32[N, features], in order. `outputs`: which tensor and column each
 * score is; a tensor is [N] or [N, columns]. `golden`: rows with the outputs they must give at every start.
 */
export function onnxModel<const F extends readonly string[], const O extends Outputs>(m: {
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
