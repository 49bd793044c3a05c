import { createRequire } from 'node:module'
import type { InferenceSession } from 'onnxruntime-node'
import type { OnnxValue } from '../trees/onnx-file.ts'
import { type ModelReading, type OpenedModel, type Signature, shortestFloat32 } from './runner.ts'
import { type ScoreColumn, scoreColumns } from './scorer.ts'

export const SCORE_TYPES: readonly string[] = ['float32', 'float64', 'int32', 'int64', 'bool']

/** `null`: the file does not say; 0: it has more than two dimensions. */
export function widthOf({ shape }: OnnxValue): number | null {
  if (shape.length > 2) return 0
  const columns = shape.length === 1 ? 1 : shape[1]
  return typeof columns === 'number' ? columns : null
}

interface OutputTensor {
  readonly dims: readonly number[]
  /** A bool is 0 or 1 in a Uint8Array. */
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array
}

/**
 * Batches are padded to a multiple of this with copies of the last row, because ONNX Runtime
 * computes the end of a tensor with other instructions: up to 3 % of a small network's scores
 * differ in their last bits. Copies, unlike zeros, change no quantisation scale.
 */
const ROW_MULTIPLE = 4

/**
 * One thread, so that a row returns the same bits in any batch. External data would not be covered
 * by the sha256, so its folder is where no file can be.
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
export class OnnxSession implements OpenedModel {
  readonly signature: Signature
  readonly #runtime: Runtime
  readonly #session: InferenceSession
  readonly #input: string
  readonly #columns: readonly ScoreColumn[]
  readonly #tensors: readonly string[]
  /** `null`: the file does not say. */
  readonly #declaredWidths: ReadonlyMap<string, number | null>

  private constructor(runtime: Runtime, session: InferenceSession, reading: ModelReading) {
    this.signature = {
      inputs: session.inputMetadata.map(tensorInfo),
      outputs: session.outputMetadata.map(tensorInfo),
    }
    this.#runtime = runtime
    this.#session = session
    this.#input = reading.input
    this.#columns = scoreColumns(reading.outputs)
    this.#tensors = [...new Set(this.#columns.map((c) => c.tensor))]
    this.#declaredWidths = new Map(this.signature.outputs.map((o) => [o.name, widthOf(o)]))
  }

  /** @throws Error with ONNX Runtime's message */
  static async load(bytes: Uint8Array, reading: ModelReading): Promise<OnnxSession> {
    // Needed by few: trees alone save 40 MB. It sends telemetry unless the environment says no now.
    process.env['ORT_DISABLE_TELEMETRY'] ??= '1'
    const runtime = await import('onnxruntime-node')
    const session = await runtime.InferenceSession.create(bytes, OPTIONS)
    return new OnnxSession(runtime, session, reading)
  }

  /** @param rows not on a SharedArrayBuffer */
  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const feed = padded(rows, count)
    const dims = [feed.count, feed.rows.length / feed.count]
    const feeds = { [this.#input]: new this.#runtime.Tensor('float32', feed.rows, dims) }
    const fetched = await this.#session.run(feeds, this.#tensors)
    return this.#columns.map((column) => {
      const output = fetched[column.tensor] as OutputTensor
      refuseMisfit(output, column, {
        count: feed.count,
        declared: this.#declaredWidths.get(column.tensor) ?? null,
      })
      return readColumn(output, column.column, count)
    })
  }

  async close(): Promise<void> {
    await this.#session.release()
  }
}

function tensorInfo(metadata: InferenceSession.ValueMetadata): OnnxValue {
  const { name } = metadata
  return metadata.isTensor
    ? { name, type: metadata.type, shape: metadata.shape }
    : { name, type: null, shape: [] }
}

function padded(rows: Float32Array, count: number): { rows: Float32Array; count: number } {
  const whole = Math.ceil(count / ROW_MULTIPLE) * ROW_MULTIPLE
  if (whole === count) return { rows, count }
  const width = rows.length / count
  const more = new Float32Array(whole * width)
  more.set(rows)
  const last = rows.subarray((count - 1) * width)
  for (let row = count; row < whole; row++) more.set(last, row * width)
  return { rows: more, count: whole }
}

/** Checks the numbers of rows and columns, which the file left open or may declare wrongly. */
function refuseMisfit(
  { dims }: OutputTensor,
  column: ScoreColumn,
  { count, declared }: { readonly count: number; readonly declared: number | null },
): void {
  const [rows, columns = 1] = dims
  const wanted = column.width ?? declared
  const fits = column.column < columns && (wanted === null || columns === wanted)
  if (dims.length <= 2 && rows === count && fits) return
  const shape = `tensor "${column.tensor}" has shape [${dims.join(', ')}] for ${count} rows`
  throw new Error(`${shape}: ${missedIn(column, declared)}`)
}

function missedIn({ column, width }: ScoreColumn, declared: number | null): string {
  if (width !== null) return `not the ${width} columns named`
  if (declared === null || column >= declared) return `no column ${column} with a number a row`
  return `the file says that it has ${declared} column${declared === 1 ? '' : 's'}`
}

function readColumn({ dims, data }: OutputTensor, column: number, count: number): Float64Array {
  const columns = dims[1] ?? 1
  const scores = new Float64Array(count)
  if (data instanceof Float32Array) {
    for (let row = 0; row < count; row++) {
      scores[row] = shortestFloat32(data[row * columns + column] as number)
    }
  } else if (data instanceof BigInt64Array) {
    for (let row = 0; row < count; row++) {
      scores[row] = exactOrInfinite(Number(data[row * columns + column]))
    }
  } else {
    for (let row = 0; row < count; row++) scores[row] = data[row * columns + column] as number
  }
  return scores
}

/** The integer, or an infinity where it may have been rounded: infinite scores are dead letters. */
function exactOrInfinite(x: number): number {
  return Number.isSafeInteger(x) ? x : x * Number.POSITIVE_INFINITY
}
