import { fork } from 'node:child_process'
import { messageOf } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'
import { EDITION } from '../trees/edition.ts'
import { NotRead } from '../trees/ensemble.ts'
import { TreeEvaluator } from '../trees/evaluator.ts'
import { type OnnxModel, readOnnx } from '../trees/onnx-file.ts'
import { recognise, type TreeModel } from '../trees/recognise.ts'
import type { ModelCache } from './model-cache.ts'
import { type OpenedModel, readingOf, type Signature, shortestFloat32 } from './runner.ts'
import { scoreColumns } from './scorer.ts'
import { builtEntry } from './thread-runner.ts'
import type { ModelBytes } from './unchecked-model.ts'

export type TreeReading = Pick<ModelDefinition, 'input' | 'outputs' | 'features'>

/** Computes a tree model on the calling thread. */
export class TreeRunner implements OpenedModel {
  readonly model: TreeModel
  readonly signature: Signature
  readonly width: number
  readonly #evaluator: TreeEvaluator

  private constructor(file: OnnxModel, model: TreeModel, width: number) {
    this.model = model
    this.signature = { inputs: file.inputs, outputs: file.outputs }
    this.width = width
    this.#evaluator = new TreeEvaluator(model, width)
  }

  /**
   * A string says why the model cannot be computed here.
   * @throws EvalError code generation is off (`--disallow-code-generation-from-strings`)
   */
  static read(bytes: Uint8Array, reading: TreeReading): TreeRunner | string {
    const { input, outputs } = readingOf(reading)
    const width = reading.features.length
    const wanted = scoreColumns(outputs)
    try {
      const file = readOnnx(bytes)
      return new TreeRunner(file, recognise(file, { input, features: width, wanted }), width)
    } catch (error) {
      // Not the model's fault, and so not to be remembered: code must not be generated.
      if (error instanceof EvalError) throw error
      if (error instanceof NotRead) return error.message
      // ONNX Runtime may still read the file.
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

/** @returns why ONNX Runtime runs the model, unless trees gave its bits, and sooner */
export async function provenTrees(
  modelFile: Pick<ModelBytes, 'bytes' | 'sha256'>,
  reading: TreeReading,
  cache: ModelCache,
): Promise<TreeRunner | string> {
  const { features } = reading
  const { bytes, sha256: model } = modelFile
  try {
    let read: TreeRunner | string | null = null
    const trees = () => (read ??= TreeRunner.read(bytes, reading))
    const { whyNot } = await cache.obtain({
      kind: 'trees',
      dependsOn: {
        model,
        reading: { ...readingOf(reading), features: features.length },
        trees: EDITION,
      },
      read: verdictOf,
      find: async () => {
        const runner = trees()
        return typeof runner === 'string' ? { whyNot: runner } : compareApart({ bytes, reading })
      },
    })
    return whyNot ?? trees()
  } catch (error) {
    return `not compared: ${messageOf(error)}`
  }
}

function verdictOf(kept: unknown): TreeVerdict | null {
  const { whyNot } = (kept ?? {}) as Partial<TreeVerdict>
  return whyNot === null || typeof whyNot === 'string' ? { whyNot } : null
}

export interface Comparison {
  readonly bytes: Uint8Array
  readonly reading: TreeReading
}

interface TreeVerdict {
  /** Why ONNX Runtime runs the model; `null`: the trees give the same bits, and sooner. */
  readonly whyNot: string | null
}

/** `failed`: why it has no verdict this time. */
export type ComparisonReply = TreeVerdict | { readonly failed: string }

/** In another process. @throws Error when the two could not be compared */
function compareApart({ bytes, reading }: Comparison): Promise<TreeVerdict> {
  return new Promise((resolve, reject) => {
    // Flags of the parent (a TypeScript loader, a debugger) are not for the child, which would wait
    // for its own debugger.
    const { NODE_OPTIONS: options = '', ...env } = process.env
    const child = fork(builtEntry('tree-comparer'), {
      execArgv: [],
      env: { ...env, NODE_OPTIONS: options.replace(/--inspect\S*/g, '') },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.once('message', (reply: ComparisonReply) => {
      if ('failed' in reply) reject(new Error(reply.failed))
      else resolve(reply)
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      reject(new Error(`the process of tree-comparer ended with ${signal ?? `exit code ${code}`}`))
    })
    const { input, outputs, features } = reading
    child.send({ bytes, reading: { input, outputs, features } } satisfies Comparison, (error) => {
      if (error !== null) reject(error)
    })
  })
}
