import { TidemarkError } from '../kernel/errors.ts'

/** How much the windows of one task may hold. */
export interface StateLimits {
  /** Keys, over all steps; different texts of columns may be as many. */
  readonly maxKeys: number
  readonly maxBytes: number
}

/**
 * About what a key takes of the heap; its text and its numbers lie elsewhere. Measured: RESULTS.md.
 */
export const KEY_HEAP_BYTES = 60
/**
 * About what a key's history takes beside its events: its head, and its place among those that go
 * silent.
 */
export const HISTORY_BYTES = 60
/** About what is left of a closed window. */
export const KEPT_BYTES = 120

/** A map of V8 takes 2^24 entries, and one chunk may bring so many texts past the limit. */
const MOST_ENTRIES = 2 ** 24 - 2 ** 20

/** What the windows of one task hold, and whether there is room for more. */
export class StateUse {
  readonly #limits: StateLimits
  /** Keys that hold memory. */
  keys = 0
  /** As of the last chunk. */
  bytes = 0
  /** As of the last chunk. */
  texts = 0

  constructor(limits: StateLimits) {
    this.#limits = limits
  }

  /** Is there room for an event and so many keys? */
  hasRoom(newKeys: number): boolean {
    return this.#full(newKeys) === null
  }

  /** Why an event that would make so many new keys may not enter; `null` when it may. */
  refusal(newKeys: number): TidemarkError | null {
    const full = this.#full(newKeys)
    if (full === null) return null
    return new TidemarkError('STATE_LIMIT', `the windows of this task hold ${full}`, {
      hint: 'more workers hold more; --max-keys and --max-state-mb say how much one may hold, of which each task has an equal share',
    })
  }

  #full(newKeys: number): string | null {
    const { maxBytes } = this.#limits
    const most = Math.min(this.#limits.maxKeys, MOST_ENTRIES)
    if (this.bytes >= maxBytes) return `${this.bytes} bytes, the limit is ${maxBytes}`
    if (this.texts >= most) return `${this.texts} texts, the limit is ${most}`
    const isFull = newKeys > 0 && this.keys + newKeys > most
    return isFull ? `${this.keys} keys, the limit is ${most}` : null
  }
}
