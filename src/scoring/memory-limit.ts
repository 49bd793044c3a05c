import { messageOf } from '../kernel/errors.ts'
import type { Runner } from './runner.ts'
import { LARGEST_BATCH } from './warm-up.ts'

/** Messages of ONNX Runtime's arena, of C++, of CUDA and of V8. */
export const LACKS_MEMORY =
  /failed to allocate memory|bad_alloc|out of memory|array buffer allocation failed/i

/** Whether a model failed because memory lacks, which says nothing of its rows. */
export function isLackOfMemory(error: unknown): boolean {
  return LACKS_MEMORY.test(messageOf(error))
}

/** How long a limit stays, ms. */
const STAYS_MS = 60_000

/**
 * The rows for which a model has memory at once. A batch without memory is halved, down to one
 * row; the limit stays for a minute and then doubles, once a minute.
 */
export class MemoryLimit {
  readonly #elapsedMs: () => number
  #rows = Number.POSITIVE_INFINITY
  #sinceMs = 0

  constructor(elapsedMs = () => performance.now()) {
    this.#elapsedMs = elapsedMs
  }

  /** Runs rows in pieces within the limit. @throws the error of `run`, for one row at the least */
  async run(rows: Float32Array, count: number, run: Runner['run']): Promise<Float64Array[]> {
    const before = this.#rows
    const width = rows.length / count
    const pieces: Float64Array[][] = []
    for (let from = 0; from < count; ) {
      const most = Math.min(this.#currentRows(), count - from)
      try {
        pieces.push(await run(rows.subarray(from * width, (from + most) * width), most))
        from += most
      } catch (error) {
        if (!isLackOfMemory(error)) throw error
        this.#limitTo(most === 1 ? before : Math.floor(most / 2))
        // Without memory for one row, its number was not at fault, and the limit is the one before.
        if (most === 1) throw error
      }
    }
    return joined(pieces, count)
  }

  #currentRows(): number {
    const isOver = this.#rows < LARGEST_BATCH && this.#elapsedMs() - this.#sinceMs >= STAYS_MS
    if (isOver) this.#limitTo(2 * this.#rows)
    return this.#rows
  }

  #limitTo(rows: number): void {
    this.#rows = rows < LARGEST_BATCH ? rows : Number.POSITIVE_INFINITY
    this.#sinceMs = this.#elapsedMs()
  }
}

function joined(pieces: readonly Float64Array[][], count: number): Float64Array[] {
  const [first, ...others] = pieces as readonly [Float64Array[], ...Float64Array[][]]
  if (others.length === 0) return first
  return first.map((_, column) => {
    const all = new Float64Array(count)
    let at = 0
    for (const piece of pieces) {
      const scores = piece[column] as Float64Array
      all.set(scores, at)
      at += scores.length
    }
    return all
  })
}
