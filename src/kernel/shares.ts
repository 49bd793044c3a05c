import { ByteRoom } from './bytes.ts'
import { murmur2, placeOf } from './kafka.ts'

/** Shares are in steps of 1 in this many. */
export const SHARES = 10_000

/**
 * A share of the keys, by their hash alone: so a key stays in while the share grows, and another
 * system can tell. Every name gives other keys.
 */
export class Share {
  readonly #prefix: string
  readonly #prefixBytes: number
  readonly #least: number
  /** The prefix, and the key that was looked at last; a usual key fits. */
  readonly #room = new ByteRoom(256)

  /** @param share of the keys, 0 to 1 in steps of 1/{@link SHARES} */
  constructor(name: string, share: number) {
    this.#prefix = `${name}/`
    this.#room.text(this.#prefix)
    this.#prefixBytes = this.#room.used
    this.#least = Math.round(share * SHARES)
  }

  get isWhole(): boolean {
    return this.#least === SHARES
  }

  has(key: string): boolean {
    return this.#isIn(murmur2(Buffer.from(this.#prefix + key)))
  }

  /** Whether the key of this number is in, without a string of it. */
  hasNumber(number: number, keys: KeyTexts): boolean {
    const room = this.#room
    room.used = this.#prefixBytes
    if (!keys.appendText(number, room)) return this.has(String(keys.cellOf(number)))
    return this.#isIn(murmur2(room.bytes, 0, room.used))
  }

  #isIn(hash: number): boolean {
    return placeOf(hash, SHARES) < this.#least
  }
}

interface KeyTexts {
  /** Appends the text in UTF-8. Returns false: it is not well-formed. */
  appendText(number: number, room: ByteRoom): boolean
  cellOf(number: number): unknown
}

/** Whether a number is from 0 to 1, in steps of 1/{@link SHARES}. */
export function isShare(share: number): boolean {
  const steps = share * SHARES
  return steps >= 0 && steps <= SHARES && Math.abs(steps - Math.round(steps)) < 1e-6
}
