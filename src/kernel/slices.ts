// Work in slices, between which timers, heartbeats and sockets are served.

const SLICE_MS = 5
const SLICE_RECORDS = 2_048

/** The work allowed in one turn of the event loop, shared by all who work in it. */
export class Slices {
  readonly #elapsedMs: () => number
  #startMs: number | null = null
  #records = 0
  readonly #waiting: (() => void)[] = []
  #isNextSet = false

  /** @param elapsedMs ms, of a clock that never goes back @default the time of this process */
  constructor(elapsedMs: () => number = () => performance.now()) {
    this.#elapsedMs = elapsedMs
  }

  /** Whether this turn's share is used up. The first call in a turn starts the slice. */
  get isOver(): boolean {
    if (this.#startMs === null) {
      this.#startMs = this.#elapsedMs()
      this.#setNext()
    }
    return this.#records >= SLICE_RECORDS || this.#elapsedMs() - this.#startMs >= SLICE_MS
  }

  use(records: number): void {
    this.#records += records
  }

  /** Resolves in a later turn, after all who were already waiting. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#setNext()
    })
  }

  #setNext(): void {
    if (this.#isNextSet) return
    this.#isNextSet = true
    setImmediate(() => this.#next())
  }

  #next(): void {
    this.#isNextSet = false
    this.#startMs = null
    this.#records = 0
    this.#waiting.shift()?.()
    if (this.#waiting.length > 0) this.#setNext()
  }
}

export function atOnce<T>(work: Generator<void, T>): T {
  let step = work.next()
  while (step.done !== true) step = work.next()
  return step.value
}

export async function inTurns<T>(work: Generator<void, T>, slices: Slices = new Slices()) {
  let step = work.next()
  while (step.done !== true) {
    if (slices.isOver) await slices.turn()
    step = work.next()
  }
  return step.value
}

const RUN = 4_096

/**
 * Sorts as `toSorted` does, but yields now and then: sorting a million items without a pause blocks
 * the event loop for a tenth of a second. (Merge sort: Knuth, TAOCP 3, 5.2.4.)
 */
export function* sortInTurns<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
): Generator<void, readonly T[]> {
  if (items.length <= RUN) return items.toSorted(compare)
  const middle = items.length >>> 1
  const first = yield* sortInTurns(items.slice(0, middle), compare)
  yield
  const last = yield* sortInTurns(items.slice(middle), compare)
  return yield* merge(first, last, compare)
}

/** Merges two runs; `a` comes first where items are equal. */
function* merge<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
): Generator<void, readonly T[]> {
  const merged: T[] = []
  let [i, j] = [0, 0]
  while (i < a.length && j < b.length) {
    const [left, right] = [a[i] as T, b[j] as T]
    if (compare(left, right) <= 0) {
      merged.push(left)
      i++
    } else {
      merged.push(right)
      j++
    }
    if (merged.length % RUN === 0) yield
  }
  for (; i < a.length; i++) merged.push(a[i] as T)
  for (; j < b.length; j++) merged.push(b[j] as T)
  return merged
}
