// Work is cut into slices, so that timers, heartbeats and sockets get their turn however much there
// is to do.

const SLICE_MS = 5
const SLICE_RECORDS = 2_048

/** One turn's share of work, which all who take part in it use up together. */
export class Slices {
  readonly #elapsedMs: () => number
  /** Of this turn; `null`: nobody has worked in it yet. */
  #startMs: number | null = null
  #records = 0
  /** Who waits longest is first. */
  readonly #waiting: (() => void)[] = []
  #isNextSet = false

  /** @param elapsedMs as a clock tells it @default the time of this process */
  constructor(elapsedMs: () => number = () => performance.now()) {
    this.#elapsedMs = elapsedMs
  }

  /** Is this turn's share used up? Who asks has begun to work. */
  get isOver(): boolean {
    if (this.#startMs === null) {
      this.#startMs = this.#elapsedMs()
      this.#setNext()
    }
    return this.#records >= SLICE_RECORDS || this.#elapsedMs() - this.#startMs >= SLICE_MS
  }

  /** So many records were worked on. */
  use(records: number): void {
    this.#records += records
  }

  /** Resolves in a later turn, when all who waited before have had theirs. */
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

/** Does work in one go that yields where others may have their turn. */
export function atOnce<T>(work: Generator<void, T>): T {
  let step = work.next()
  while (step.done !== true) step = work.next()
  return step.value
}

/** Does such work slice by slice. */
export async function inTurns<T>(work: Generator<void, T>): Promise<T> {
  const slices = new Slices()
  let step = work.next()
  while (step.done !== true) {
    if (slices.isOver) await slices.turn()
    step = work.next()
  }
  return step.value
}
