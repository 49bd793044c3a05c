// Ascending numbers in a part of an array: `size` numbers from `from` on.

const SHIFTED = 64

function countBelow(data: Float64Array, from: number, size: number, value: number): number {
  let low = 0
  let high = size
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((data[from + middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

export function countUpTo(data: Float64Array, from: number, size: number, value: number): number {
  // Mostly none or all are.
  if (size === 0 || (data[from] as number) > value) return 0
  if ((data[from + size - 1] as number) <= value) return size
  let low = 0
  let high = size
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((data[from + middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low
}

export function insertOrdered(data: Float64Array, from: number, size: number, value: number): void {
  let at = from + size
  if (size > SHIFTED) {
    at = from + countUpTo(data, from, size, value)
    data.copyWithin(at + 1, at, from + size)
  } else {
    // One by one: for so few, a copy costs more to start.
    for (; at > from && (data[at - 1] as number) > value; at--) data[at] = data[at - 1] as number
  }
  data[at] = value
}

export function removeOrdered(data: Float64Array, from: number, size: number, value: number): void {
  const after = from + countUpTo(data, from, size, value)
  data.copyWithin(after - 1, after, from + size)
}

/** At most this many numbers are sorted rather than searched. */
const FEW = 128
/** Multiples of the golden ratio are spread evenly, so no order of the numbers is bad for all. */
const GOLDEN = (Math.sqrt(5) - 1) / 2

/** Ascending numbers. The candidates are at low ≤ i < high. */
interface SortedRun {
  data: Float64Array
  from: number
  size: number
  low: number
  high: number
  middle: number
}

/**
 * The quantile of ascending runs, as if they were merged: a number is guessed, its rank is the sum
 * of its ranks in the runs, and numbers on the wrong side are no longer candidates.
 */
export class QuantileSearch {
  readonly #runs: SortedRun[] = []
  #count = 0
  /** Runs with candidates, which come first. */
  #open = 0
  /** Candidates, and numbers known to be before them. */
  #left = 0
  #before = 0
  readonly #few = new Float64Array(FEW)

  clear(): void {
    this.#count = 0
  }

  /** The run must not change until the quantile has been taken. */
  add(data: Float64Array, from: number, size: number): void {
    if (size === 0) return
    const run = this.#runs[this.#count]
    if (run === undefined) this.#runs.push({ data, from, size, low: 0, high: size, middle: 0 })
    else {
      run.data = data
      run.from = from
      run.size = size
    }
    this.#count++
  }

  addUnordered(data: Float64Array, from: number, size: number): void {
    this.add(data.slice(from, from + size).sort(), 0, size)
  }

  /** Interpolates at q·(n − 1), as numpy does by default (Hyndman and Fan 1996, type 7). */
  quantile(q: number): number {
    let all = 0
    for (let r = 0; r < this.#count; r++) all += (this.#runs[r] as SortedRun).size
    const rank = q * (all - 1)
    const below = Math.floor(rank)
    const low = this.#at(below, all)
    if (rank === below) return low
    return low + (this.#next(low, below + 1) - low) * (rank - below)
  }

  #at(rank: number, all: number): number {
    this.#open = this.#count
    this.#left = all
    this.#before = 0
    for (let r = 0; r < this.#count; r++) {
      const run = this.#runs[r] as SortedRun
      run.low = 0
      run.high = run.size
    }
    for (let round = 1; this.#left > FEW; round++) {
      const guess = round % 3 === 0 ? this.#anyOf(round) : this.#guess(rank)
      if (this.#divide(guess, countBelow) > rank) this.#keepLower()
      else {
        this.#keepUpper()
        if (this.#divide(guess, countUpTo) > rank) return guess
        this.#keepUpper()
      }
    }
    return this.#sortedAt(rank - this.#before)
  }

  /** The number of a rank. @param value the number of the rank before */
  #next(value: number, rank: number): number {
    let upTo = 0
    let next = Number.POSITIVE_INFINITY
    for (let r = 0; r < this.#count; r++) {
      const { data, from, size } = this.#runs[r] as SortedRun
      const here = countUpTo(data, from, size, value)
      upTo += here
      if (here < size) next = Math.min(next, data[from + here] as number)
    }
    return upTo > rank ? value : next
  }

  /**
   * Long runs offer a number each; the one at 0.3 or 0.7 of these makes the larger part drop out.
   */
  #guess(rank: number): number {
    const part = (rank - this.#before) / this.#left
    let longest = 0
    for (let r = 0; r < this.#open; r++) {
      const { low, high } = this.#runs[r] as SortedRun
      longest = Math.max(longest, high - low)
    }
    let count = 0
    for (let r = 0; r < this.#open && count < FEW; r++) {
      const { data, from, low, high } = this.#runs[r] as SortedRun
      if ((high - low) * 2 < longest) continue
      this.#few[count++] = data[from + low + Math.floor(part * (high - low))] as number
    }
    const guesses = this.#few.subarray(0, count).sort()
    return guesses[Math.floor(count * (part > 0.5 ? 0.3 : 0.7))] as number
  }

  #anyOf(round: number): number {
    let skip = Math.floor(((round * GOLDEN) % 1) * this.#left)
    let r = 0
    for (;;) {
      const { data, from, low, high } = this.#runs[r] as SortedRun
      if (skip < high - low) return data[from + low + skip] as number
      skip -= high - low
      r++
    }
  }

  /** Divides each run before or after a number. @returns how many of all numbers are before */
  #divide(value: number, count: typeof countBelow): number {
    let lower = this.#before
    for (let r = 0; r < this.#open; r++) {
      const run = this.#runs[r] as SortedRun
      run.middle = run.low + count(run.data, run.from + run.low, run.high - run.low, value)
      lower += run.middle - run.low
    }
    return lower
  }

  #keepLower(): void {
    for (let r = this.#open - 1; r >= 0; r--) {
      const run = this.#runs[r] as SortedRun
      this.#left -= run.high - run.middle
      run.high = run.middle
      if (run.low === run.high) this.#retire(r)
    }
  }

  #keepUpper(): void {
    for (let r = this.#open - 1; r >= 0; r--) {
      const run = this.#runs[r] as SortedRun
      this.#before += run.middle - run.low
      this.#left -= run.middle - run.low
      run.low = run.middle
      if (run.low === run.high) this.#retire(r)
    }
  }

  /** Moves a run without candidates behind those that have some. */
  #retire(r: number): void {
    this.#open--
    const run = this.#runs[r] as SortedRun
    this.#runs[r] = this.#runs[this.#open] as SortedRun
    this.#runs[this.#open] = run
  }

  #sortedAt(index: number): number {
    let count = 0
    for (let r = 0; r < this.#open; r++) {
      const { data, from, low, high } = this.#runs[r] as SortedRun
      for (let i = from + low; i < from + high; i++) this.#few[count++] = data[i] as number
    }
    return this.#few.subarray(0, count).sort()[index] as number
  }
}
