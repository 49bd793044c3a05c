import type { OnnxValue } from '../trees/onnx-file.ts'
import { MemoryLimit } from './memory-limit.ts'
import type { Weights } from './model-files.ts'
import { type CreatedSession, createSession } from './onnx-runtime.ts'
import {
  type ModelReading,
  type OpenedModel,
  type Placement,
  type Signature,
  shortestFloat32,
} from './runner.ts'
import { type ScoreColumn, scoreColumns } from './scorer.ts'

const ARRAYS = {
  ...{ float32: Float32Array, float64: Float64Array },
  ...{ int32: Int32Array, int64: BigInt64Array, bool: Uint8Array },
}

/** The types of features and scores. */
export type NumberType = keyof typeof ARRAYS

export const NUMBER_TYPES = Object.keys(ARRAYS) as readonly NumberType[]

export function isNumberType(type: string | null): type is NumberType {
  return type !== null && Object.hasOwn(ARRAYS, type)
}

/** `null`: the file does not say; 0: it has more than two dimensions. */
export function widthOf({ shape }: OnnxValue): number | null {
  if (shape.length > 2) return 0
  const columns = shape.length === 1 ? 1 : shape[1]
  return typeof columns === 'number' ? columns : null
}

interface OutputTensor {
  readonly dims: readonly number[]
  /** A bool is 0 or 1 in a Uint8Array. */
  readonly data: InstanceType<(typeof ARRAYS)[NumberType]>
}

/**
 * Batches are padded to a multiple of this with copies of the last row, because ONNX Runtime
 * computes the end of a tensor with other instructions: up to 3 % of a small network's scores
 * differ in their last bits. Copies, unlike zeros, change no quantisation scale.
 */
const ROW_MULTIPLE = 4

/** A model in ONNX Runtime. `run` blocks its thread. */
export class OnnxSession implements OpenedModel {
  readonly signature: Signature
  readonly placement: Placement
  readonly #tensorType: CreatedSession['tensorType']
  readonly #session: CreatedSession['session']
  readonly #inputs: readonly Input[]
  readonly #columns: readonly ScoreColumn[]
  readonly #tensors: readonly string[]
  /** `null`: the file does not say. */
  readonly #declaredWidths: ReadonlyMap<string, number | null>
  readonly #memory = new MemoryLimit()

  private constructor({ session, tensorType, placement }: CreatedSession, reading: ModelReading) {
    this.signature = {
      inputs: session.inputMetadata.map(tensorInfo),
      outputs: session.outputMetadata.map(tensorInfo),
    }
    this.placement = placement
    this.#tensorType = tensorType
    this.#session = session
    this.#inputs = inputsOf(reading, this.signature)
    this.#columns = scoreColumns(reading.outputs)
    this.#tensors = tensorsOf(reading)
    this.#declaredWidths = new Map(this.signature.outputs.map((o) => [o.name, widthOf(o)]))
  }

  /** @throws Error with ONNX Runtime's message */
  static async load(
    bytes: Uint8Array,
    reading: ModelReading,
    weights: readonly Pick<Weights, 'path' | 'bytes'>[] = [],
  ): Promise<OnnxSession> {
    const externalData = weights.map(({ path, bytes: data }) => ({ path, data }))
    const created = await createSession(bytes, externalData, reading.providers)
    return new OnnxSession(created, reading)
  }

  /** @param rows not on a SharedArrayBuffer */
  run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    return this.#memory.run(rows, count, (piece, most) => this.#runAtOnce(piece, most))
  }

  /** The columns of a reading's tensors as a run returns them, whatever the file declares. */
  async widths(reading: ModelReading, row: Float32Array): Promise<ReadonlyMap<string, number>> {
    const feeds = this.#feedsOf(inputsOf(reading, this.signature), row, 1)
    const outputs = await this.#session.run(feeds, tensorsOf(reading))
    return new Map(Object.entries(outputs).map(([name, { dims }]) => [name, dims[1] ?? 1]))
  }

  async #runAtOnce(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const feed = padded(rows, count)
    const feeds = this.#feedsOf(this.#inputs, feed.rows, feed.count)
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

  #feedsOf(inputs: readonly Input[], rows: Float32Array, count: number) {
    const feeds = inputs.map(({ name, type, columns }) => {
      const numbers = filled(type, { rows, count, columns })
      const dims = [count, numbers.length / count]
      return [name, new this.#tensorType(type as 'float32', numbers as Float32Array, dims)]
    })
    return Object.fromEntries(feeds) as Parameters<CreatedSession['session']['run']>[0]
  }

  async close(): Promise<void> {
    await this.#session.release()
  }
}

interface Input {
  readonly name: string
  readonly type: NumberType
  /** The columns of a row; `null`: all. */
  readonly columns: readonly number[] | null
}

function inputsOf({ input }: ModelReading, { inputs }: Signature): Input[] {
  const named = typeof input === 'string' ? [[input, null] as const] : Object.entries(input)
  return named.map(([name, columns]) => {
    const type = inputs.find((tensor) => tensor.name === name)?.type ?? null
    return { name, type: isNumberType(type) ? type : 'float32', columns }
  })
}

interface RowColumns extends Pick<Input, 'columns'> {
  readonly rows: Float32Array
  readonly count: number
}

/** The numbers of an input, row-major. One that its type cannot hold is cut, or 0. */
function filled(type: NumberType, { rows, count, columns }: RowColumns) {
  if (type === 'float32' && columns === null) return rows
  const width = rows.length / count
  const taken = columns ?? Array.from({ length: width }, (_, column) => column)
  const numbers = new ARRAYS[type](count * taken.length)
  let at = 0
  for (let row = 0; row < count; row++) {
    for (const column of taken) {
      const number = rows[row * width + column] as number
      if (numbers instanceof BigInt64Array) numbers[at++] = wholeOf(number)
      else numbers[at++] = type === 'bool' ? Number(number !== 0) : number
    }
  }
  return numbers
}

function wholeOf(number: number): bigint {
  return Number.isFinite(number) ? BigInt(Math.trunc(number)) : 0n
}

function tensorsOf({ outputs }: ModelReading): string[] {
  return [...new Set(Object.values(outputs).map(({ tensor }) => tensor))]
}

function tensorInfo(metadata: CreatedSession['session']['inputMetadata'][number]): OnnxValue {
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
