/** The largest Uint32. */
const LAST_COUNT = 2 ** 32 - 1
const FIRST_TEXTS = 1_024

/**
 * Finds the different texts among many, by their numbers, so that each is counted once. One count
 * at a time.
 */
export class TextMarks {
  /** For each text, the last count that met it. */
  #met = new Uint32Array(FIRST_TEXTS)
  #counts = 0

  /** Begins another count. */
  begin(): void {
    if (this.#counts === LAST_COUNT) {
      this.#met.fill(0)
      this.#counts = 0
    }
    this.#counts++
  }

  /** Does the current count meet this text for the first time? */
  isNew(text: number): boolean {
    if (text >= this.#met.length) this.#grow(text)
    if (this.#met[text] === this.#counts) return false
    this.#met[text] = this.#counts
    return true
  }

  #grow(text: number): void {
    const grown = new Uint32Array(Math.max(text + 1, this.#met.length * 2))
    grown.set(this.#met)
    this.#met = grown
  }
}
