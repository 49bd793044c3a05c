import { Share } from '../kernel/shares.ts'
import type { ScoreStep } from '../topology/definition.ts'
import type { Dictionary } from './dictionary.ts'

/** Which events the shadows of a score step score: those whose keys are in a shadow's share. */
export class ShadowShares {
  readonly #shares: readonly Share[]
  readonly #keys: Dictionary

  constructor({ shadows }: ScoreStep, keys: Dictionary) {
    this.#shares = shadows.map(({ model, share }) => new Share(`shadow.${model}`, share))
    this.#keys = keys
  }

  /** Rows for each shadow, empty at first. */
  none(): number[][] {
    return this.#shares.map(() => [])
  }

  /** Adds a row to each shadow that scores its event. @param key the number of the event's key */
  take(row: number, key: number, into: readonly number[][]): void {
    for (let s = 0; s < this.#shares.length; s++) {
      const share = this.#shares[s] as Share
      if (share.isWhole || share.hasNumber(key, this.#keys)) (into[s] as number[]).push(row)
    }
  }
}
