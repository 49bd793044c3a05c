import type { Events } from '../../columns/events.ts'
import { HEAD, History, NO_KEY } from './history.ts'
import type { Layout } from './layout.ts'
import type { OlderBlocks } from './older-blocks.ts'

export interface NextEvents {
  readonly events: Events
  readonly keys: ArrayLike<number>
  readonly indices: readonly number[]
}

/** Keys per page of heads: a power of 2. */
const PAGE_BITS = 12
const PAGE = 2 ** PAGE_BITS

/**
 * Keys are numbers in heads, because the garbage collector then has nothing to scan. One {@link
 * History} represents one key at a time, until another is requested.
 */
export class Histories {
  /** Only keeps the reads of {@link touch} from being optimised away. */
  touched = 0
  readonly #layout: Layout
  readonly #history: History
  readonly #preview: History
  readonly #heads: Float64Array[] = []
  readonly #older = new Map<number, OlderBlocks>()
  #size = 0
  #remembered = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.#history = new History(layout)
    this.#preview = new History(layout)
  }

  /** Fetches the memory of the next histories concurrently (Kocberber et al. 2015: AMAC). */
  touch({ keys, indices }: Pick<NextEvents, 'keys' | 'indices'>, from: number, to: number): void {
    let touched = 0
    for (let i = from; i < to && i < indices.length; i++) {
      const key = keys[indices[i] as number] as number
      const heads = this.#heads[key >>> PAGE_BITS]
      if (heads !== undefined) touched += History.touch(heads, headAt(key), this.#layout.slabs)
    }
    this.touched = touched
  }

  get size(): number {
    return this.#size
  }

  /** Keys of which only the time of the newest event is known. */
  get remembered(): number {
    return this.#remembered
  }

  has(key: number): boolean {
    if (this.#history.key === key) return true
    const heads = this.#heads[key >>> PAGE_BITS]
    return heads !== undefined && !History.isNothing(heads, headAt(key))
  }

  /** Event time of the newest event of a remembered key; −Infinity for another key. */
  lastMsOf(key: number): number {
    const heads = this.#heads[key >>> PAGE_BITS]
    if (heads === undefined) return Number.NEGATIVE_INFINITY
    return History.lastMsIn(heads, headAt(key))
  }

  of(key: number): History | null {
    const history = this.#history
    if (history.key === key) return history
    const heads = this.#heads[key >>> PAGE_BITS]
    if (heads === undefined || !History.isIn(heads, headAt(key))) return null
    this.#save()
    const older = this.#older.size === 0 ? null : (this.#older.get(key) ?? null)
    history.load(key, older, heads, headAt(key))
    return history
  }

  begin(key: number): History {
    this.#save()
    const page = key >>> PAGE_BITS
    while (this.#heads.length <= page) this.#heads.push(new Float64Array(PAGE * HEAD))
    const lastMs = this.lastMsOf(key)
    if (lastMs !== Number.NEGATIVE_INFINITY) this.#remembered--
    this.#history.begin(key, lastMs)
    this.#size++
    return this.#history
  }

  /** A copy of a key's history, for the insertion of one event, until {@link endPreview}. */
  preview(key: number, timeMs: number): History {
    const known = this.of(key)
    if (known === null) this.#preview.begin(key, this.lastMsOf(key))
    else this.#preview.beginAs(known, timeMs)
    return this.#preview
  }

  endPreview(): void {
    this.#preview.discard(this.of(this.#preview.key))
  }

  /** Evicts the current key, which must hold no events. @param remembers keeps its newest time */
  evict(remembers: boolean): void {
    const history = this.#history
    const { key } = history
    history.free(this.#heads[key >>> PAGE_BITS] as Float64Array, headAt(key), remembers)
    this.#older.delete(key)
    history.key = NO_KEY
    this.#size--
    if (remembers) this.#remembered++
  }

  /** Saves the current key. The history represents no key afterwards. */
  #save(): void {
    const { key, older } = this.#history
    if (key === NO_KEY) return
    this.#history.save(this.#heads[key >>> PAGE_BITS] as Float64Array, headAt(key))
    if (older !== null) this.#older.set(key, older)
    else if (this.#older.size > 0) this.#older.delete(key)
    this.#history.key = NO_KEY
  }
}

function headAt(key: number): number {
  return (key & (PAGE - 1)) * HEAD
}
