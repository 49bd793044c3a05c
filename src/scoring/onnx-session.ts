import { createRequire } from 'node:module'
import type { InferenceSession, Tensor } from 'onnxruntime-node'

export interface TensorInfo {
  readonly name: string
  /** `float32`, `int64`, …; `null`: not a tensor but a ZipMap's list of dictionaries. */
  readonly type: string | null
  /** A number is a fixed size, a string a free one. Empty: the file does not say. */
  readonly shape: readonly (number | string)[]
}

export interface Signature {
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
}

export const SCORE_TYPES: readonly string[] = ['float32', 'float64', 'int32', 'int64', 'bool']

/**
 * How many columns a tensor has; `null`: the file does not say; 0: it has more than two dimensions.
 */
export function widthOf({ shape }: TensorInfo): number | null {
  if (shape.length > 2) return 0
  const columns = shape.length === 1 ? 1 : shape[1]
  return typeof columns === 'number' ? columns : null
}

export interface OutputTensor {
  readonly dims: readonly number[]
  /** A bool is 0 or 1 in a Uint8Array. */
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array
}

interface SessionInput {
  readonly input: string
  /** Row-major float32[count, columns], of exactly that length; not on a SharedArrayBuffer. */
  readonly rows: Float32Array
  readonly count: number
}

/**
 * One thread, so that a row returns the same bits in any batch; parallelism comes from more
 * sessions. External data would not be covered by the sha256, so its folder is where no file can
 * be.
 */
const OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  // Fatal errors only: others are thrown anyway, and may contain values of a row.
  logSeverityLevel: 4,
  extra: { session: { model_external_initializers_file_folder_path: '/dev/null' } },
}

type Runtime = typeof import('onnxruntime-node')

export function onnxRuntimeVersion(): string {
  const require = createRequire(import.meta.url)
  return (require('onnxruntime-node/package.json') as { version: string }).version
}

/** A model in ONNX Runtime. `run` blocks its thread. */
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
   * Runs the model for the outputs in `fetch`.
   *
   * @throws Error with ONNX Runtime's message; the whole batch has then failed
   */
  async run(
    feed: SessionInput,
    fetch: readonly string[],
  ): Promise<ReadonlyMap<string, OutputTensor>> {
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

  async release(): Promise<void> {
    await this.#session.release()
  }
}

/**
 * Loads ONNX Runtime when it is first needed: a worker with tree models alone saves 40 MB. It sends
 * telemetry to Microsoft unless the environment says no at this moment.
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
