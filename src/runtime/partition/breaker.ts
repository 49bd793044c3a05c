import type { Outcomes } from '../events.ts'

/** The number of records that are considered. */
const LAST_RECORDS = 1_000

/**
 * Watches how many of a partition's last 1,000 records, in whole chunks, are dead letters; late
 * ones do not count. It is open while the share exceeds a percentage for any topology: each
 * topology reads all of the records.
 */
export class Breaker {
  readonly #topologies: ReadonlyMap<string, Count>

  /** @param percent 100: it never opens */
  constructor(topologies: readonly string[], percent: number) {
    this.#topologies = new Map(topologies.map((name) => [name, new Count(percent)]))
  }

  get isOpen(): boolean {
    return [...this.#topologies.values()].some((count) => count.isOver)
  }

  /** The share of dead letters of the topology that has the most, %. */
  get deadPercent(): number {
    return Math.max(...[...this.#topologies.values()].map((count) => count.deadPercent))
  }

  /** Adds the outcomes of further records. @returns whether that opened or closed the breaker */
  took(topology: string, outcomes: Outcomes): boolean {
    const wasOpen = this.isOpen
    this.#topologies.get(topology)?.add(outcomes)
    return this.isOpen !== wasOpen
  }
}

/** The last records, by their outcomes in one topology. */
class Count {
  readonly #percent: number
  readonly #last: { readonly records: number; readonly dead: number }[] = []
  #records = 0
  #dead = 0
  #isOver = false

  constructor(percent: number) {
    this.#percent = percent
  }

  /** Does the share of dead letters exceed the limit? */
  get isOver(): boolean {
    return this.#isOver
  }

  get deadPercent(): number {
    return this.#records === 0 ? 0 : (100 * this.#dead) / this.#records
  }

  add({ scored, windowed, skipped, duplicate, late, dead }: Outcomes): void {
    const records = scored + windowed + skipped + duplicate + late + dead
    if (records === 0) return
    this.#last.push({ records, dead })
    this.#records += records
    this.#dead += dead
    for (let [first] = this.#last; first !== undefined; [first] = this.#last) {
      if (this.#records - first.records < LAST_RECORDS) break
      this.#last.shift()
      this.#records -= first.records
      this.#dead -= first.dead
    }
    this.#isOver = this.#records >= LAST_RECORDS && this.deadPercent > this.#percent
  }
}
