import type { Outcomes } from './events.ts'

/** So many records are looked at. */
const LAST_RECORDS = 1_000

/**
 * Watches how many of a partition's last 1,000 records are dead letters, in whole chunks; late ones do not count. It is open while
 * more than a percentage of them are.
 */
export class Breaker {
  readonly #percent: number
  readonly #last: { readonly records: number; readonly dead: number }[] = []
  #records = 0
  #dead = 0
  #isOpen = false

  /** @param percent 100: it never opens */
  constructor(percent: number) {
    this.#percent = percent
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** How many of them are, %. */
  get deadPercent(): number {
    return this.#records === 0 ? 0 : (100 * this.#dead) / this.#records
  }

  /** What became of some more. @returns has that opened or closed it? */
  took({ scored, windowed, skipped, late, dead }: Outcomes): boolean {
    const records = scored + windowed + skipped + late + dead
    if (records === 0) return false
    this.#last.push({ records, dead })
    this.#records += records
    this.#dead += dead
    for (let [first] = this.#last; first !== undefined; [first] = this.#last) {
      if (this.#records - first.records < LAST_RECORDS) break
      this.#last.shift()
      this.#records -= first.records
      this.#dead -= first.dead
    }
    const wasOpen = this.#isOpen
    this.#isOpen = this.#records >= LAST_RECORDS && this.deadPercent > this.#percent
    return this.#isOpen !== wasOpen
  }
}
