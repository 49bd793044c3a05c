/** By what number Kafka knows a request to write. */
const PRODUCE = 0

/**
 * Up to and with the correlation id: of a request its size, kind and version stand before it, of an
 * answer its size.
 */
const REQUEST_HEAD = 12
const ANSWER_HEAD = 8
/**
 * From this version on an answer to Produce ends with its tagged fields, of which there are none.
 */
const FLEXIBLE_PRODUCE = 9
/**
 * Far more than a broker holds back, which is as long as the quota takes for what was written. An
 * answer that names new leaders ends with their addresses (KIP-951), and not with the time: a port,
 * of 10,000 or higher, stands there 65,536 times as large.
 */
const MOST_MS = 600_000

/** Hears on one connection how long the broker says that it holds writes back. */
export class ThrottleTap {
  readonly #tell: (ms: number) => void
  /**
   * How many bytes follow the throttle time in the answer, by correlation id of a Produce request.
   */
  readonly #afterThrottle = new Map<number, number>()
  readonly #requests = new Frames((frame) => this.#request(frame))
  readonly #answers = new Frames((frame) => this.#answer(frame))

  constructor(tell: (ms: number) => void) {
    this.#tell = tell
  }

  toBroker(bytes: Buffer): void {
    this.#requests.take(bytes)
  }

  toClient(bytes: Buffer): void {
    this.#answers.take(bytes)
  }

  #request(frame: Buffer): void {
    if (frame.length < REQUEST_HEAD || frame.readInt16BE(4) !== PRODUCE) return
    const after = frame.readInt16BE(6) >= FLEXIBLE_PRODUCE ? 1 : 0
    this.#afterThrottle.set(frame.readInt32BE(8), after)
  }

  #answer(frame: Buffer): void {
    if (frame.length < ANSWER_HEAD) return
    const correlationId = frame.readInt32BE(4)
    const after = this.#afterThrottle.get(correlationId)
    if (after === undefined) return
    this.#afterThrottle.delete(correlationId)
    const ms = frame.readInt32BE(frame.length - after - 4)
    if (ms > 0 && ms < MOST_MS) this.#tell(ms)
  }
}

/** Requests or answers, each whole with the size before it. */
class Frames {
  readonly #each: (frame: Buffer) => void
  #got: Buffer = Buffer.alloc(0)

  constructor(each: (frame: Buffer) => void) {
    this.#each = each
  }

  take(bytes: Buffer): void {
    this.#got = this.#got.length === 0 ? bytes : Buffer.concat([this.#got, bytes])
    while (this.#got.length >= 4 && this.#got.length >= 4 + this.#got.readInt32BE(0)) {
      const length = 4 + this.#got.readInt32BE(0)
      this.#each(this.#got.subarray(0, length))
      this.#got = this.#got.subarray(length)
    }
  }
}
