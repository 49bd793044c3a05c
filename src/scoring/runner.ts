import type { ModelDefinition } from '../topology/models.ts'
import { type OnnxSession, type OutputTensor, widthOf } from './onnx-session.ts'
import { type ScoreColumn, scoreColumns } from './scorer.ts'

export interface Runner {
  /**
   * Scores one batch: `rows` is row-major float32[count, features], `count` at least 1. Returns one
   * array of `count` numbers for each of the model's `scoreColumns`. The last call must have
   * settled.
   * @throws Error when the run fails; the whole batch has then failed
   */
  run(rows: Float32Array, count: number): Promise<Float64Array[]>
  /** No run may be in flight. */
  close(): Promise<void>
}

/** Plain data, sent to threads. */
export type ModelReading = Pick<ModelDefinition, 'input' | 'outputs'>

export function readingOf({ input, outputs }: ModelDefinition): ModelReading {
  return { input, outputs }
}

/**
 * Batches are padded to a multiple of this many rows with copies of the last row. ONNX Runtime
 * computes the remainder at the end of a tensor (sigmoid, log) with other instructions than the
 * rest: with 1, 2, 3, 5, … rows, up to 3 % of a small network's scores differ in their last bits
 * from those in a batch of 4, 8 or 512. Tree models are not affected. Copies of a row, unlike
 * zeros, do not change a quantisation scale that spans the batch.
 */
const ROW_MULTIPLE = 4

export class SessionRunner implements Runner {
  readonly #session: OnnxSession
  readonly #input: string
  readonly #columns: readonly ScoreColumn[]
  readonly #tensors: readonly string[]
  /** `null`: the file does not say. */
  readonly #declaredWidths: ReadonlyMap<string, number | null>

  constructor(session: OnnxSession, { input, outputs }: ModelReading) {
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

/** Checks what the file left open or may declare wrongly: the number of rows and columns. */
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

/** The integer, or an infinity where it may have been rounded: infinite scores are dead letters. */
function exactOrInfinite(x: number): number {
  return Number.isSafeInteger(x) ? x : x * Number.POSITIVE_INFINITY
}

const DECIMAL_PLACES = 15
/** 10^k; exact as float64 up to 10^22. */
const POWERS_OF_TEN = Array.from({ length: DECIMAL_PLACES + 1 }, (_, k) => 10 ** k)
const SMALLEST = 1e-7
const LARGEST = 1e6
/**
 * A scaled value is off by at most 1e-7 here, so only one farther than this from an integer can
 * round the wrong way.
 */
const CLEAR_OF_HALF = 0.4999

/**
 * The decimal with the fewest significant digits (at most 9) that rounds back to the float32 `x`,
 * and of those the nearest: 0.1 for 0.10000000149011612. Same float32, shorter text.
 *
 * An integer of at most 9 digits over 10^k is exact on both sides, so the quotient is the float64
 * of that decimal text (Clinger, "How to read floating point numbers accurately", 1990). A float32
 * always preserves six decimal digits, and nine always identify it.
 */
export function shortestFloat32(x: number): number {
  const size = Math.abs(x)
  if (!(size >= SMALLEST && size < LARGEST)) return byText(x)
  const decimals = sixDigits(size)
  for (let k = decimals; k <= decimals + 3; k++) {
    const power = POWERS_OF_TEN[k] as number
    const scaled = size * power
    const digits = Math.round(scaled)
    if (Math.abs(scaled - digits) > CLEAR_OF_HALF) return byText(x)
    const decimal = digits / power
    if (Math.fround(decimal) === size) return x < 0 ? -decimal : decimal
  }
  return x
}

function sixDigits(size: number): number {
  let decimals = 5
  if (size < 1) {
    while (size * (POWERS_OF_TEN[decimals - 5] as number) < 1) decimals++
    return decimals
  }
  while (size >= (POWERS_OF_TEN[6 - decimals] as number)) decimals--
  return decimals
}

function byText(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(x.toPrecision(digits))
    if (Math.fround(decimal) === x) return decimal
  }
  return Number(x.toPrecision(9))
}
