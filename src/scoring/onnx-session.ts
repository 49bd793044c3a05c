import { createRequire } from 'node:module'
import type { InferenceSession, Tensor } from 'onnxruntime-node'

/** An input or output of a model. */
export interface TensorInfo {
  readonly name: string
  /** `float32`, `int64`, …; `null`: not a tensor (a ZipMap's list of dictionaries). */
  readonly type: string | null
  /** A number is a fixed size, a string a free one. Empty when the file does not say. */
  readonly shape: readonly (number | string)[]
}

/** The element types that can be read as scores. */
export const SCORE_TYPES: readonly string[] = ['float32', 'float64', 'int32', 'int64', 'bool']

/** The content of an output. */
export interface OutputTensor {
  readonly dims: readonly number[]
  /** A bool is 0 or 1 in a Uint8Array. */
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array
}

/** The rows of one run. */
export interface Feed {
  /** Name of the input tensor. */
  readonly input: string
  /** Row-major float32[count, columns], of exactly that length; not on a SharedArrayBuffer. */
  readonly rows: Float32Array
  readonly count: number
}

/**
 * One thread, so that a row returns the same bits in any batch; parallelism comes from more
 * sessions. ONNX Runtime would look for external data in the working directory, where the sha256
 * does not cover it, so it is pointed to where no file can be.
 */
const OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  // Log fatal errors only: other errors are thrown anyway, and may contain values of a row.
  logSeverityLevel: 4,
  extra: { session: { model_external_initializers_file_folder_path: '/dev/null' } },
}

type Runtime = typeof import('onnxruntime-node')

/** The installed version of onnxruntime-node; does not load it. */
export function onnxRuntimeVersion(): string {
  const require = createRequire(import.meta.url)
  return (require('onnxruntime-node/package.json') as { version: string }).version
}

/** A model in ONNX Runtime. `run` blocks the thread it is called on. */
export class OnnxSession {
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  readonly #runtime: Runtime
  readonly #session: InferenceSession

  private constructor(runtime: Runtime, session: InferenceSession) {
    this.#runtime = runtime
    this.#session = session
    this.inputs = session.inputMetadata.map(tensorInfo)
    this.outputs = session.outputMetadata.map(tensorInfo)
  }

  /** @throws Error with ONNX Runtime's message */
  static async load(bytes: Uint8Array): Promise<OnnxSession> {
    const runtime = await loadRuntime()
    return new OnnxSession(runtime, await runtime.InferenceSession.create(bytes, OPTIONS))
  }

  /**
   * Runs the model for the outputs named in `fetch`; others, tensor or not, are ignored.
   *
   * @throws Error with ONNX Runtime's message; the whole batch has then failed
   */
  async run(feed: Feed, fetch: readonly string[]): Promise<ReadonlyMap<string, OutputTensor>> {
    const dims = [feed.count, feed.rows.length / feed.count]
    const feeds = { [feed.input]: new this.#runtime.Tensor('float32', feed.rows, dims) }
    const fetched = await this.#session.run(feeds, fetch)
    return new Map(
      fetch.map((name) => {
        const { dims: shape, data } = fetched[name] as Tensor
        return [name, { dims: shape, data: data as OutputTensor['data'] }]
      }),
    )
  }

  /** Frees the model. A run in flight would be rejected. */
  async release(): Promise<void> {
    await this.#session.release()
  }
}

/**
 * Loads it lazily: a worker that computes all its models by their trees saves 40 MB.
 *
 * ONNX Runtime sends telemetry to Microsoft unless its process's environment says no when it is
 * loaded. A value of the user's stays.
 */
async function loadRuntime(): Promise<Runtime> {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1'
  return import('onnxruntime-node')
}

function tensorInfo(metadata: InferenceSession.ValueMetadata): TensorInfo {
  const { name } = metadata
  return metadata.isTensor
    ? { name, type: metadata.type, shape: metadata.shape }
    : { name, type: null, shape: [] }
}
