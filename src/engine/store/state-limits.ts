import { TidemarkError } from '../../kernel/errors.ts'

export interface StateLimits {
  /** Over all steps; also the maximum of different texts. */
  readonly maxKeys: number
  readonly maxBytes: number
}

/** Approximate heap bytes per key without its text and numbers. Measured: RESULTS.md. */
export const KEY_HEAP_BYTES = 60
/** Approximate bytes per history: its head, and its entry in the expiry queue. */
export const HISTORY_BYTES = 60
/** Approximate bytes per remembered closed window. */
export const KEPT_BYTES = 120

/** A V8 Map holds at most 2^24 entries, and one chunk may bring 2^20 texts past the limit. */
const MOST_ENTRIES = 2 ** 24 - 2 ** 20

/** Memory of a step, and its distinct texts, approximately. */
export interface HeldState {
  readonly bytes: number
  readonly texts: number
  /** Is anything kept of a key? */
  has(key: number): boolean
}

export class StateUse {
  readonly #limits: StateLimits
  keys = 0
  /** After the last chunk, as `texts` is. */
  bytes = 0
  texts = 0

  constructor(limits: StateLimits) {
    this.#limits = limits
  }

  hasRoom(newKeys: number): boolean {
    return this.#full(newKeys) === null
  }

  /** Why an event that adds this many keys may not enter; `null`: it may. */
  refusal(newKeys: number): TidemarkError | null {
    const full = this.#full(newKeys)
    if (full === null) return null
    return new TidemarkError('STATE_LIMIT', `the windows of this task hold ${full}`, {
      hint: 'add workers, or raise --max-keys or --max-state-mb, the limits of one worker: each of its tasks has an equal share',
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
