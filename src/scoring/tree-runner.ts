import { messageOf } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/definition.ts'
import { TreeEvaluator } from '../trees/evaluator.ts'
import { NotRead } from '../trees/not-read.ts'
import { readOnnx } from '../trees/onnx-file.ts'
import { recognise, type TreeModel } from '../trees/recognise.ts'
import type { Runner } from './runner.ts'
import { scoreColumns } from './score-columns.ts'
import { shortestFloat32 } from './shortest-float32.ts'

/** Computes a model of trees on the calling thread, without ONNX Runtime. */
export class TreeRunner implements Runner {
  readonly model: TreeModel
  readonly #evaluator: TreeEvaluator

  private constructor(model: TreeModel, width: number) {
    this.model = model
    this.#evaluator = new TreeEvaluator(model, width)
  }

  /** Of a file's bytes; a text says why they are not such a model. */
  static of(
    bytes: Uint8Array,
    { input, outputs, features }: Pick<ModelDefinition, 'input' | 'outputs' | 'features'>,
  ): TreeRunner | string {
    const width = features.length
    const wanted = scoreColumns(outputs)
    try {
      const model = recognise(readOnnx(bytes), { input, features: width, wanted })
      return new TreeRunner(model, width)
    } catch (error) {
      if (error instanceof NotRead) return error.message
      // A file that ONNX Runtime reads and we stumble over is its own.
      return `its file is not read here: ${messageOf(error)}`
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
