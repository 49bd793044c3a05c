import { murmur2, placeOf } from './partitioners.ts'

/** Shares are in steps of 1 in this many. */
export const SHARES = 10_000

/**
 * Decides which keys are in a share, by their hash alone: so a key stays in while the share grows,
 * and another system can tell. Every name gives other keys.
 */
export class Share {
  readonly #prefix: string
  readonly #least: number
  readonly #prefixBytes: number
  /** The prefix, and the key that was looked at last. */
  #scratch: Buffer

  /** @param share of the keys, 0 to 1 in steps of 1/{@link SHARES} */
  constructor(name: string, share: number) {
    this.#prefix = `${name}/`
    this.#scratch = Buffer.from(this.#prefix)
    this.#prefixBytes = this.#scratch.length
    this.#least = Math.round(share * SHARES)
  }

  /** Is every key in? */
  get isWhole(): boolean {
    return this.#least === SHARES
  }

  /** Is the key in? */
  has(key: string): boolean {
    return this.#isIn(murmur2(Buffer.from(this.#prefix + key)))
  }

  /** Is the key of this number in? No string is made of it. */
  hasNumber(number: number, keys: KeyTexts): boolean {
    const bytes = keys.bytesOf(number)
    if (bytes === null) return this.has(String(keys.cellOf(number)))
    const end = this.#prefixBytes + bytes
    if (end > this.#scratch.length) {
      this.#scratch = Buffer.concat([this.#scratch, Buffer.alloc(end)])
    }
    keys.copyText(number, this.#scratch, this.#prefixBytes)
    return this.#isIn(murmur2(this.#scratch, 0, end))
  }

  #isIn(hash: number): boolean {
    return placeOf(hash, SHARES) < this.#least
  }
}

/** The texts of keys, by number. */
interface KeyTexts {
  /** The length of the text in UTF-8; `null`: it is not well-formed. */
  bytesOf(number: number): number | null
  /** Copies the text, which must be well-formed, in UTF-8. */
  copyText(number: number, into: Buffer, at: number): void
  cellOf(number: number): unknown
}

/** Is it a share: a number of 1/{@link SHARES} from 0 to 1? */
export function isShare(share: number): boolean {
  const steps = share * SHARES
  return steps >= 0 && steps <= SHARES && Math.abs(steps - Math.round(steps)) < 1e-6
}
