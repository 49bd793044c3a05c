import type { ModelDefinition } from '../topology/definition.ts'
import type { OnnxSession, OutputTensor } from './onnx-session.ts'
import { shortestFloat32 } from './shortest-float32.ts'

/** Where a batch runs: on this thread or on another. */
export interface Runner {
  /**
   * Scores one batch: `rows` is row-major float32[count, features], `count` at least 1. Gives one array of `count` numbers for
   * each output, in the order they were declared. The next call may only come when this one has settled.
   *
   * @throws Error when the run fails; the whole batch has failed then
   */
  run(rows: Float32Array, count: number): Promise<Float64Array[]>
  /** Frees the session. No run may be in flight. */
  close(): Promise<void>
}

/** What is fed to a model and read from it. Plain data: it goes to threads. */
export interface Reading {
  readonly input: string
  readonly outputs: readonly { readonly tensor: string; readonly column: number }[]
}

export function readingOf(model: ModelDefinition): Reading {
  return { input: model.input, outputs: Object.values(model.outputs) }
}

/**
 * A model is given a multiple of this many rows, the last one repeated. ONNX Runtime computes what is left over at the end of a
 * tensor (sigmoid, log) by other instructions than the rest: with 1, 2, 3, 5, … rows, up to 3 % of a small network's scores
 * differ in their last bits from the same rows in a batch of 4, 8 or 512; trees do not care. The copies of a row, unlike zeros,
 * move no scale that spans the batch.
 */
const ROW_MULTIPLE = 4

/** Runs on the calling thread, which it blocks meanwhile. */
export class SessionRunner implements Runner {
  readonly #session: OnnxSession
  readonly #reading: Reading
  readonly #tensors: readonly string[]

  constructor(session: OnnxSession, reading: Reading) {
    this.#session = session
    this.#reading = reading
    this.#tensors = [...new Set(reading.outputs.map((o) => o.tensor))]
  }

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const feed = { input: this.#reading.input, ...padded(rows, count) }
    const tensors = await this.#session.run(feed, this.#tensors)
    return this.#reading.outputs.map(({ tensor, column }) => {
      const output = tensors.get(tensor) as OutputTensor
      if (!fits(output, column, feed.count)) {
        const shape = `[${output.dims.join(', ')}]`
        throw new Error(
          `tensor "${tensor}" has shape ${shape} for ${feed.count} rows: no column ${column} with a number a row`,
        )
      }
      const columns = output.dims[1] ?? 1
      return readColumn(output, { column, columns, count })
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

function fits({ dims }: OutputTensor, column: number, count: number): boolean {
  const [rows, columns = 1] = dims
  return dims.length <= 2 && rows === count && column < columns
}

function readColumn(
  { data }: OutputTensor,
  { column, columns, count }: { column: number; columns: number; count: number },
): Float64Array {
  const scores = new Float64Array(count)
  if (data instanceof Float32Array) {
    for (let row = 0; row < count; row++) {
      scores[row] = shortestFloat32(data[row * columns + column] as number)
    }
  } else {
    for (let row = 0; row < count; row++) scores[row] = Number(data[row * columns + column])
  }
  return scores
}
