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

  /** @param share of the keys, 0 to 1 in steps of 1/{@link SHARES} */
  constructor(name: string, share: number) {
    this.#prefix = `${name}/`
    this.#least = Math.round(share * SHARES)
  }

  /** Is every key in? */
  get isWhole(): boolean {
    return this.#least === SHARES
  }

  /** Is the key in? */
  has(key: string): boolean {
    return placeOf(murmur2(Buffer.from(this.#prefix + key)), SHARES) < this.#least
  }
}

/** Is it a share: a number of 1/{@link SHARES} from 0 to 1? */
export function isShare(share: number): boolean {
  const steps = share * SHARES
  return steps >= 0 && steps <= SHARES && Math.abs(steps - Math.round(steps)) < 1e-6
}
