/** A list of numbers that grows, 8 bytes each. */
export class GrowingNumbers {
  #numbers = new Float64Array(1_024)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(x: number): void {
    if (this.#length === this.#numbers.length) {
      const larger = new Float64Array(2 * this.#length)
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    this.#numbers[this.#length++] = x
  }

  /** The numbers in ascending order. */
  sorted(): Float64Array {
    return this.#numbers.slice(0, this.#length).sort()
  }
}
