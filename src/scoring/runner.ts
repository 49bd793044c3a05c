import type { ModelDefinition } from '../topology/models.ts'
import type { OnnxSession, OutputTensor } from './onnx-session.ts'
import { type ScoreColumn, scoreColumns } from './score-columns.ts'
import { shortestFloat32 } from './shortest-float32.ts'
import { widthOf } from './signature.ts'

/** Runs batches of a model, on this thread or on another. */
export interface Runner {
  /**
   * Scores one batch: `rows` is row-major float32[count, features], `count` at least 1. Returns one
   * array of `count` numbers for each of the model's `scoreColumns`. Must not be called again
   * before this call has settled.
   *
   * @throws Error when the run fails; the whole batch has then failed
   */
  run(rows: Float32Array, count: number): Promise<Float64Array[]>
  /** Frees the session. No run may be in flight. */
  close(): Promise<void>
}

/** What is fed to a model and read from it. Plain data: it is sent to threads. */
export type Reading = Pick<ModelDefinition, 'input' | 'outputs'>

/** The part of a definition that a runner needs. */
export function readingOf({ input, outputs }: ModelDefinition): Reading {
  return { input, outputs }
}

/**
 * Batches are padded to a multiple of this many rows by repeating the last row. ONNX Runtime
 * computes the remainder at the end of a tensor (sigmoid, log) with other instructions than the
 * rest: with 1, 2, 3, 5, … rows, up to 3 % of a small network's scores differ in their last bits
 * from those of the same rows in a batch of 4, 8 or 512. Tree models are not affected. Copies of a
 * row, unlike zeros, do not change a quantisation scale that spans the batch.
 */
const ROW_MULTIPLE = 4

/** Runs a session on the calling thread, which is blocked during a run. */
export class SessionRunner implements Runner {
  readonly #session: OnnxSession
  readonly #input: string
  readonly #columns: readonly ScoreColumn[]
  readonly #tensors: readonly string[]
  /** How many columns a tensor has according to the model file; `null`: it does not say. */
  readonly #declaredWidths: ReadonlyMap<string, number | null>

  constructor(session: OnnxSession, { input, outputs }: Reading) {
    this.#session = session
    this.#input = input
    this.#columns = scoreColumns(outputs)
    this.#declaredWidths = new Map(session.outputs.map((output) => [output.name, widthOf(output)]))
    this.#tensors = [...new Set(this.#columns.map((c) => c.tensor))]
  }

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const feed = { input: this.#input, ...padded(rows, count) }
    const tensors = await this.#session.run(feed, this.#tensors)
    return this.#columns.map((column) => {
      const output = tensors.get(column.tensor) as OutputTensor
      refuseMisfit(output, column, {
        count: feed.count,
        declared: this.#declaredWidths.get(column.tensor) ?? null,
      })
      return readColumn(output, column.column, count)
    })
  }

  close(): Promise<void> {
    return this.#session.release()
  }
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

/**
 * Checks what the model file left open or may declare wrongly: that the output has the expected
 * number of rows and columns.
 */
function refuseMisfit(
  { dims }: OutputTensor,
  { tensor, column, width }: ScoreColumn,
  { count, declared }: { readonly count: number; readonly declared: number | null },
): void {
  const [rows, columns = 1] = dims
  const wanted = width ?? declared
  const fits = column < columns && (wanted === null || columns === wanted)
  if (dims.length <= 2 && rows === count && fits) return
  const shape = `tensor "${tensor}" has shape [${dims.join(', ')}] for ${count} rows`
  throw new Error(`${shape}: ${missedIn({ column, width }, declared)}`)
}

function missedIn(
  { column, width }: Pick<ScoreColumn, 'column' | 'width'>,
  declared: number | null,
) {
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

/**
 * An integer so large that it may have been rounded becomes infinite: infinite scores are dead
 * letters.
 */
function exactOrInfinite(x: number): number {
  return Number.isSafeInteger(x) ? x : x * Number.POSITIVE_INFINITY
}
