// What comes over a connection, cut into answers.

/** Before each answer: how long it is. */
const LENGTH_BYTES = 4
/**
 * A longer one gets its memory as it comes: what does not speak Kafka may seem to announce a
 * gigabyte.
 */
const AT_ONCE_BYTES = 64 * 2 ** 20

/**
 * Gathers answers, each in memory of its own. The library keeps all that the socket read until an
 * answer is whole, and copies it then: twice the memory, all of which waits for the garbage
 * collector.
 */
export class Answers {
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  /** What is being read: a length or an answer, and how much of it has come. */
  #into: Buffer = this.#length
  #filled = 0
  #wanted = LENGTH_BYTES

  /** Forgets what has come of an answer. */
  clear(): void {
    this.#begin(this.#length, LENGTH_BYTES)
  }

  /**
   * Takes what came. The bytes may be written over as soon as this returns. @throws Error when it
   * cannot be an answer; what comes after that is nonsense too
   */
  take(bytes: Buffer, answered: (answer: Buffer) => void): void {
    for (let at = 0; at < bytes.length; ) {
      this.#makeRoom()
      const copied = bytes.copy(this.#into, this.#filled, at)
      at += copied
      this.#filled += copied
      if (this.#filled < this.#wanted) continue
      if (this.#into === this.#length) {
        const length = this.#length.readInt32BE()
        if (length < LENGTH_BYTES) throw new Error(`no answer has ${length} bytes`)
        this.#begin(Buffer.allocUnsafe(Math.min(length, AT_ONCE_BYTES)), length)
      } else {
        const answer = this.#into
        this.clear()
        answered(answer)
      }
    }
  }

  #begin(into: Buffer, wanted: number): void {
    this.#into = into
    this.#filled = 0
    this.#wanted = wanted
  }

  #makeRoom(): void {
    if (this.#filled < this.#into.length) return
    const larger = Buffer.allocUnsafe(Math.min(this.#wanted, 2 * this.#into.length))
    this.#into.copy(larger)
    this.#into = larger
  }
}
