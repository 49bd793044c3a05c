import type { Cell } from '../topology/definition.ts'

/** Features of a key, or the result so far of an open window; by name. */
export type Peeked = Readonly<Record<string, Cell | null>>

/**
 * What one operator keeps for each key. A key is identified by its number. The read methods change
 * nothing: neither which keys have changed, nor a key's features, nor its bytes.
 */
export interface KeyedState {
  /** Number of keys of which it keeps something. */
  readonly size: number
  /** Does it keep anything of the key? */
  has(key: number): boolean
  /** Begins a round, to which all changes from now on belong. @returns the round */
  beginRound(): number
  /**
   * The keys that have changed in a round or later and of which it still keeps something; one page
   * at a time.
   */
  changedSince(round: number): Generator<readonly number[]>
  /** Encodes all that it keeps of a key, for {@link restore}; `null`: it keeps nothing. */
  encode(key: number): Uint8Array | null
  /**
   * Restores the encoded state of a key of which it keeps nothing.
   * @throws TidemarkError `STATE_UNREADABLE`: another version wrote it, or it is not what was
   * written
   */
  restore(key: number, bytes: Uint8Array): void
  /**
   * Evicts keys that the watermark has left behind, checking at most `most`. Tumbling windows evict
   * keys as they close.
   */
  expire(watermarkMs: number, most: number): void
  /** The features or results of a key at a time. Enters nothing. */
  peek(key: number, at: { timeMs: number; watermarkMs: number }): readonly Peeked[]
}
