import type { Flow } from './events.ts'
import { HEAD, History } from './history.ts'
import type { Layout } from './layout.ts'
import type { OlderBlocks } from './older-blocks.ts'

/** Keys whose heads lie in one page: a power of 2. */
const PAGE_BITS = 12
const PAGE = 2 ** PAGE_BITS

/**
 * The histories of all keys, by their numbers. No key is an object: what is known of it are the few
 * numbers of its head and its buffer, so that a million of them are nothing to the collector. One
 * history at a time stands for its key; it is that key's until another is asked for.
 */
export class Histories {
  /** Of no meaning. */
  touched = 0
  readonly #layout: Layout
  readonly #history: History
  readonly #heads: Float64Array[] = []
  /** Of the few keys that have some. */
  readonly #older = new Map<number, OlderBlocks>()
  /** Does the history stand for a key? */
  #isOpen = false
  #size = 0
  #remembered = 0
  #round = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.#history = new History(layout)
  }

  /**
   * Looks at the histories of events that are to come, for nothing but that the processor fetches
   * what it needs of them all at once: one after the other, each event would wait for its own.
   * (Kocberber et al. 2015, "Asynchronous memory access chaining".)
   */
  touch({ keys, indices }: Pick<Flow, 'keys' | 'indices'>, from: number, to: number): void {
    let touched = 0
    for (let i = from; i < to && i < indices.length; i++) {
      const key = keys[indices[i] as number] as number
      const heads = this.#heads[key >>> PAGE_BITS]
      if (heads !== undefined) touched += History.touch(heads, headAt(key), this.#layout.slabs)
    }
    // What nobody asks for need not be done.
    this.touched = touched
  }

  /** Keys that have a history. */
  get size(): number {
    return this.#size
  }

  /** Keys of which no more is left than when their newest event was. */
  get remembered(): number {
    return this.#remembered
  }

  /** Is there anything of the key? */
  has(key: number): boolean {
    if (this.#isOpen && this.#history.key === key) return true
    const heads = this.#heads[key >>> PAGE_BITS]
    return heads !== undefined && !History.isNothing(heads, headAt(key))
  }

  /** Event time of the newest event of a key that was let go and remembered; else −Infinity. */
  lastMsOf(key: number): number {
    const heads = this.#heads[key >>> PAGE_BITS]
    if (heads === undefined) return Number.NEGATIVE_INFINITY
    return History.lastMsIn(heads, headAt(key))
  }

  /** What changes from now on has changed in another round. */
  beginRound(): number {
    return ++this.#round
  }

  /** The history that stands for a key has changed, or is about to. */
  change(): void {
    this.#history.round = this.#round
  }

  /**
   * The keys that have changed in a round or later, and of which there is something; a page of them
   * at a time.
   */
  *changedSince(round: number): Generator<readonly number[]> {
    for (let page = 0; page < this.#heads.length; page++) {
      this.#close()
      const heads = this.#heads[page] as Float64Array
      const keys: number[] = []
      for (let i = 0; i < PAGE; i++) {
        const at = i * HEAD
        if (History.isNothing(heads, at) || History.roundIn(heads, at) < round) continue
        keys.push(page * PAGE + i)
      }
      yield keys
    }
  }

  /** `null` if the key has none. */
  of(key: number): History | null {
    const history = this.#history
    if (this.#isOpen && history.key === key) return history
    const heads = this.#heads[key >>> PAGE_BITS]
    if (heads === undefined || !History.isIn(heads, headAt(key))) return null
    this.#close()
    const older = this.#older.size === 0 ? null : (this.#older.get(key) ?? null)
    history.load(key, older, heads, headAt(key))
    this.#isOpen = true
    return history
  }

  /** Begins one for a key that has none. */
  begin(key: number): History {
    this.#close()
    const page = key >>> PAGE_BITS
    while (this.#heads.length <= page) this.#heads.push(new Float64Array(PAGE * HEAD))
    const lastMs = this.lastMsOf(key)
    if (lastMs !== Number.NEGATIVE_INFINITY) this.#remembered--
    this.#history.begin(key, lastMs)
    this.change()
    this.#isOpen = true
    this.#size++
    return this.#history
  }

  /** Lets go the key that the history stands for. @param remembers when its newest event was */
  letGo(remembers: boolean): void {
    const history = this.#history
    const { key } = history
    history.free(this.#heads[key >>> PAGE_BITS] as Float64Array, headAt(key), remembers)
    this.#older.delete(key)
    this.#isOpen = false
    this.#size--
    if (remembers) this.#remembered++
  }

  /** Remembers no more of a key than when its newest event was. */
  remember(key: number, lastMs: number): void {
    this.begin(key).newestPrunedMs = lastMs
    this.letGo(true)
  }

  /** The history stands for no key any more. */
  #close(): void {
    if (!this.#isOpen) return
    const { key, older } = this.#history
    this.#history.save(this.#heads[key >>> PAGE_BITS] as Float64Array, headAt(key))
    if (older !== null) this.#older.set(key, older)
    else if (this.#older.size > 0) this.#older.delete(key)
    this.#isOpen = false
  }
}

function headAt(key: number): number {
  return (key & (PAGE - 1)) * HEAD
}
