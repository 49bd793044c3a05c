import { TidemarkError } from '../kernel/errors.ts'

/** How much the windows of one task may hold. */
export interface StateLimits {
  /** Keys, over all steps. */
  readonly maxKeys: number
  readonly maxBytes: number
}

/** What the windows of one task hold, and whether there is room for more. */
export class StateUse {
  readonly #limits: StateLimits
  /** Keys that hold memory. */
  keys = 0
  /** As of the last chunk. */
  bytes = 0

  constructor(limits: StateLimits) {
    this.#limits = limits
  }

  /** Is there room for an event and so many keys? */
  hasRoom(newKeys: number): boolean {
    return this.bytes < this.#limits.maxBytes && this.keys + newKeys <= this.#limits.maxKeys
  }

  /** Why an event that would make so many new keys may not enter; `null` when it may. */
  refusal(newKeys: number): TidemarkError | null {
    const { maxKeys, maxBytes } = this.#limits
    if (this.bytes < maxBytes && (newKeys === 0 || this.hasRoom(newKeys))) return null
    const what =
      this.bytes >= maxBytes
        ? `the windows of this task hold ${this.bytes} bytes, the limit is ${maxBytes}`
        : `the windows of this task hold ${this.keys} keys, the limit is ${maxKeys}`
    return new TidemarkError('STATE_LIMIT', what, {
      hint: 'more workers hold more; --max-keys and --max-state-mb say how much one may hold, of which each task has an equal share',
    })
  }
}
