// Splits the bytes of a connection into responses.

/** Size of the length that precedes each response. */
const LENGTH_BYTES = 4
/**
 * A longer response is allocated as its bytes arrive: a peer that does not speak Kafka may seem to
 * announce a gigabyte.
 */
const AT_ONCE_BYTES = 64 * 2 ** 20

/**
 * Collects responses, each in its own buffer. The library keeps everything that the socket read
 * until a response is complete, and then copies it: twice the memory, all of it left to the garbage
 * collector.
 */
export class Answers {
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  /** What is being read, a length or a response, and how much of it has arrived. */
  #into: Buffer = this.#length
  #filled = 0
  #wanted = LENGTH_BYTES

  /** Drops an incomplete response. */
  clear(): void {
    this.#begin(this.#length, LENGTH_BYTES)
  }

  /**
   * Adds received bytes. The buffer may be overwritten as soon as this returns.
   * @throws Error when they cannot be a response; everything that follows is then invalid as well
   */
  add(bytes: Buffer, answered: (answer: Buffer) => void): void {
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
