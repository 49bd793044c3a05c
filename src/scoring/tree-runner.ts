import { messageOf } from '../kernel/errors.ts'
import { TreeEvaluator } from '../trees/evaluator.ts'
import { NotRead } from '../trees/not-read.ts'
import { ELEMENT, type OnnxModel, type OnnxValue, readOnnx } from '../trees/onnx-file.ts'
import { isEnsemble } from '../trees/read-ensemble.ts'
import { recognise, type TreeModel } from '../trees/recognise.ts'
import type { TensorInfo } from './onnx-session.ts'
import type { Runner } from './runner.ts'
import { scoreColumns } from './score-columns.ts'
import { shortestFloat32 } from './shortest-float32.ts'
import type { Signature } from './signature.ts'
import type { TreeReading } from './tree-reading.ts'

/** Computes a tree model on the calling thread, without ONNX Runtime. */
export class TreeRunner implements Runner {
  readonly model: TreeModel
  readonly signature: Signature
  /** Number of features of a row. */
  readonly width: number
  readonly #evaluator: TreeEvaluator

  private constructor(file: OnnxModel, model: TreeModel, width: number) {
    this.model = model
    this.signature = { inputs: file.inputs.map(infoOf), outputs: file.outputs.map(infoOf) }
    this.width = width
    this.#evaluator = new TreeEvaluator(model, width)
  }

  /** Whether {@link of} may read a model file: most that it cannot read have no trees. */
  static mayRead(bytes: Uint8Array): boolean {
    try {
      return readOnnx(bytes).nodes.some(isEnsemble)
    } catch {
      return false
    }
  }

  /** Reads a model file; a string says why it cannot be computed here. */
  static of(bytes: Uint8Array, { input, outputs, features }: TreeReading): TreeRunner | string {
    const width = features.length
    const wanted = scoreColumns(outputs)
    try {
      const file = readOnnx(bytes)
      return new TreeRunner(file, recognise(file, { input, features: width, wanted }), width)
    } catch (error) {
      if (error instanceof NotRead) return error.message
      // ONNX Runtime may still be able to read the file.
      return `its file cannot be read by the tree evaluator: ${messageOf(error)}`
    }
  }

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const numbers = this.#evaluator.run(rows, count)
    for (const column of numbers) {
      for (let row = 0; row < count; row++) column[row] = shortestFloat32(column[row] as number)
    }
    return numbers
  }

  async close(): Promise<void> {}
}

/**
 * ONNX Runtime's names of element types, which are those of {@link ELEMENT}. Other types can be
 * neither rows nor scores, so they are shown by number.
 */
const ELEMENT_NAMES = new Map<number, string>(
  Object.entries(ELEMENT).map(([name, type]) => [type, name]),
)

function infoOf({ name, type, shape }: OnnxValue): TensorInfo {
  return {
    name,
    type: type === null ? null : (ELEMENT_NAMES.get(type) ?? `element ${type}`),
    shape,
  }
}
