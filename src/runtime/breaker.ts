import type { Outcomes } from './events.ts'

/** So many records are looked at. */
const LAST_RECORDS = 1_000

/**
 * Watches how many of a partition's last 1,000 records are dead letters, in whole chunks; late ones
 * do not count. It is open while more than a percentage of them are, of any topology: each reads
 * all of them.
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

  /** How many of them are, of the topology that has most, %. */
  get deadPercent(): number {
    return Math.max(...[...this.#topologies.values()].map((count) => count.deadPercent))
  }

  /** What became of some more. @returns has that opened or closed it? */
  took(topology: string, outcomes: Outcomes): boolean {
    const wasOpen = this.isOpen
    this.#topologies.get(topology)?.add(outcomes)
    return this.isOpen !== wasOpen
  }
}

/** Of the last records, as one topology took them. */
class Count {
  readonly #percent: number
  readonly #last: { readonly records: number; readonly dead: number }[] = []
  #records = 0
  #dead = 0
  #isOver = false

  constructor(percent: number) {
    this.#percent = percent
  }

  /** Are more of them dead letters than may be? */
  get isOver(): boolean {
    return this.#isOver
  }

  get deadPercent(): number {
    return this.#records === 0 ? 0 : (100 * this.#dead) / this.#records
  }

  add({ scored, windowed, skipped, late, dead }: Outcomes): void {
    const records = scored + windowed + skipped + late + dead
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
