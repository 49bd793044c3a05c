import type { Cell } from '../topology/definition.ts'

/** Features of a key, or the result that an open window has so far; by name. */
export type Peeked = Readonly<Record<string, Cell | null>>

/**
 * What one operator keeps of each key. A key is named by its number. What is asked here changes no
 * answer: neither which keys have changed, nor what a key comes to, nor its bytes.
 */
export interface KeyedState {
  /** Keys of which it holds something. */
  readonly size: number
  has(key: number): boolean
  /** Begins a round: what changes from now on has changed in it. @returns the round */
  beginRound(): number
  /**
   * The keys that have changed in a round or later, and that it still holds; a page of them at a
   * time.
   */
  changedSince(round: number): Generator<readonly number[]>
  /** All that it holds of a key, for {@link restore}; `null`: nothing. */
  encode(key: number): Uint8Array | null
  /**
   * Takes what was encoded of a key of which it holds nothing.
   * @throws TidemarkError `STATE_UNREADABLE`: another version wrote it, or it is not what was
   * written
   */
  restore(key: number, bytes: Uint8Array): void
  /**
   * Lets go keys that the watermark has left behind, looking at no more than `most`. Tumbling
   * windows do as they close.
   */
  expire(watermarkMs: number, most: number): void
  /** What it would tell of a key at a time; nothing enters. */
  peek(key: number, at: { timeMs: number; watermarkMs: number }): readonly Peeked[]
}
