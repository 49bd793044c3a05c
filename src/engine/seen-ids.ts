import { Dictionary } from './dictionary.ts'
import { idOf, numberOfId } from './event-ids.ts'
import { Expiry } from './expiry.ts'
import type { KeyedState, Peeked } from './keyed-state.ts'
import { StateReader, StateWriter } from './state-bytes.ts'
import type { StateUse } from './state-limits.ts'

// The ids that a dedupe step has seen. The events of an id are kept as spans: event times from the
// first to the last of events that came less than `within` apart. Most ids have one span.

/** Spans in a page, a power of 2. */
const PAGE_BITS = 12
const PAGE = 2 ** PAGE_BITS
/** Numbers of a span. */
const WIDTH = 7
/**
 * Offsets in a span: the id's number, the key's number, the times of its first and last event; the
 * next older span of the same id; and the spans of the same key that were added after and before
 * it.
 */
const ID = 0
const KEY = 1
const FROM = 2
const TO = 3
const OLDER = 4
const AFTER = 5
const BEFORE = 6

const NONE = -1

/**
 * Approximate bytes of a span: its numbers, and its entries in the index and the expiry queue,
 * which are half as long again as they need be when they have just grown.
 */
const SPAN_BYTES = 8 * WIDTH + 12 + 12
/** Approximate bytes per key besides its spans. */
const KEY_BYTES = 16

/** How long ids are kept. */
export interface IdTimes {
  /** Two events of one id that are at least this far apart are no duplicates, ms. */
  readonly withinMs: number
  /** An id is evicted when its last event is this far behind the watermark, ms. */
  readonly retentionMs: number
}

/** The numbers of events' keys, and the limits. */
interface SeenIdsContext {
  readonly keys: Dictionary
  readonly use: StateUse
}

/**
 * The ids of all keys that events have had lately, with the event times at which they came. Ids and
 * keys are numbers, and a span is a few numbers in a page, so the garbage collector has nothing to
 * scan.
 */
export class SeenIds implements KeyedState {
  /** Numbers of ids: see {@link EventIds}. */
  readonly numbers = new Dictionary()
  readonly #withinMs: number
  readonly #expiry: Expiry
  readonly #keys: Dictionary
  readonly #use: StateUse
  readonly #pages: Float64Array[] = []
  /** Number of spans ever allocated, and those of them that are free. */
  #spans = 0
  readonly #free: number[] = []
  /** By the number of an id: its newest span. */
  readonly #newest: number[] = []
  /** By the number of a key: the span that was added last, and the round of the last change. */
  readonly #last: number[] = []
  readonly #changed: number[] = []
  #size = 0
  #round = 0

  constructor({ withinMs, retentionMs }: IdTimes, { keys, use }: SeenIdsContext) {
    this.#withinMs = withinMs
    this.#expiry = new Expiry(retentionMs)
    this.#keys = keys
    this.#use = use
  }

  /** Number of keys of which an id is kept. */
  get size(): number {
    return this.#size
  }

  /** Approximate bytes of all that is kept. */
  get bytes(): number {
    const spans = this.#spans - this.#free.length
    return this.numbers.bytes + SPAN_BYTES * spans + KEY_BYTES * this.#size
  }

  /** Number of ids that are kept. */
  get texts(): number {
    return this.numbers.size
  }

  has(key: number): boolean {
    return this.#lastOf(key) !== NONE
  }

  /**
   * Did an event of the id come less than `within` before or after a time? If so, the time joins
   * that event's span.
   */
  joins(id: number, timeMs: number): boolean {
    for (let span = this.#newestOf(id); span !== NONE; ) {
      const page = this.#pageOf(span)
      const at = atOf(span)
      // Spans of an id never overlap, and the newest comes first.
      if (timeMs >= (page[at + TO] as number) + this.#withinMs) return false
      if (timeMs > (page[at + FROM] as number) - this.#withinMs) {
        if (timeMs > (page[at + TO] as number)) page[at + TO] = timeMs
        if (timeMs < (page[at + FROM] as number)) page[at + FROM] = timeMs
        this.#changed[page[at + KEY] as number] = this.#round
        return true
      }
      span = page[at + OLDER] as number
    }
    return false
  }

  /** Begins a span with an event that joins none. */
  begin(id: number, key: number, timeMs: number): void {
    this.#expiry.file(this.#add(id, key, timeMs), timeMs)
  }

  beginRound(): number {
    return ++this.#round
  }

  *changedSince(round: number): Generator<readonly number[]> {
    for (let from = 0; from < this.#last.length; from += PAGE) {
      const keys: number[] = []
      for (let key = from; key < from + PAGE && key < this.#last.length; key++) {
        if (this.has(key) && (this.#changed[key] as number) >= round) keys.push(key)
      }
      yield keys
    }
  }

  encode(key: number): Uint8Array | null {
    if (!this.has(key)) return null
    const spans = this.#spansOf(key)
    const into = new StateWriter()
    into.whole(spans.length)
    for (const { id, fromMs, toMs } of spans) {
      into.cell(idOf(this.numbers, id))
      into.number(fromMs)
      into.number(toMs)
    }
    return into.end()
  }

  restore(key: number, bytes: Uint8Array): void {
    const from = new StateReader(bytes)
    for (let left = from.whole(); left > 0; left--) {
      const id = numberOfId(this.numbers, key, from.cell() as string)
      const span = this.#add(id, key, from.number())
      const toMs = from.number()
      this.#pageOf(span)[atOf(span) + TO] = toMs
      this.#expiry.file(span, toMs)
    }
  }

  expire(watermarkMs: number, most: number): void {
    this.#expiry.sweep(watermarkMs, most, {
      newestMsOf: (span) => this.#pageOf(span)[atOf(span) + TO] as number,
      evict: (span) => this.#evict(span),
    })
    this.numbers.settle(most)
  }

  /** A key has neither features nor results here. */
  peek(): readonly Peeked[] {
    return []
  }

  /** The spans of a key, in the order in which they were added. */
  #spansOf(key: number): Span[] {
    const spans: Span[] = []
    for (let span = this.#lastOf(key); span !== NONE; ) {
      const page = this.#pageOf(span)
      const at = atOf(span)
      spans.push({
        id: page[at + ID] as number,
        fromMs: page[at + FROM] as number,
        toMs: page[at + TO] as number,
      })
      span = page[at + BEFORE] as number
    }
    return spans.toReversed()
  }

  /** Adds a span of one event. @returns its number */
  #add(id: number, key: number, timeMs: number): number {
    const span = this.#allocate()
    const page = this.#pageOf(span)
    const at = atOf(span)
    page[at + ID] = this.numbers.hold(id)
    page[at + KEY] = key
    page[at + FROM] = timeMs
    page[at + TO] = timeMs
    this.#addToId(span, page, at)
    this.#addToKey(span, page, at)
    return span
  }

  /** Inserts a span into those of its id, which are ordered from the newest to the oldest. */
  #addToId(span: number, page: Float64Array, at: number): void {
    const id = page[at + ID] as number
    while (this.#newest.length <= id) this.#newest.push(NONE)
    let newer = NONE
    let older = this.#newestOf(id)
    while (older !== NONE && this.#fromOf(older) > (page[at + FROM] as number)) {
      newer = older
      older = this.#olderThan(older)
    }
    page[at + OLDER] = older
    this.#setOlder(id, newer, span)
  }

  #addToKey(span: number, page: Float64Array, at: number): void {
    const key = page[at + KEY] as number
    while (this.#last.length <= key) {
      this.#last.push(NONE)
      this.#changed.push(0)
    }
    const before = this.#lastOf(key)
    if (before === NONE) {
      this.#size++
      this.#use.keys++
      this.#keys.hold(key)
    } else this.#pageOf(before)[atOf(before) + AFTER] = span
    page[at + BEFORE] = before
    page[at + AFTER] = NONE
    this.#last[key] = span
    this.#changed[key] = this.#round
  }

  #evict(span: number): void {
    const page = this.#pageOf(span)
    const at = atOf(span)
    const id = page[at + ID] as number
    let newer = NONE
    for (let other = this.#newestOf(id); other !== span; other = this.#olderThan(other)) {
      newer = other
    }
    this.#setOlder(id, newer, page[at + OLDER] as number)
    this.numbers.release(id)
    this.#removeFromKey(page, at)
    this.#free.push(span)
  }

  #removeFromKey(page: Float64Array, at: number): void {
    const key = page[at + KEY] as number
    const before = page[at + BEFORE] as number
    const after = page[at + AFTER] as number
    if (before !== NONE) this.#pageOf(before)[atOf(before) + AFTER] = after
    if (after !== NONE) this.#pageOf(after)[atOf(after) + BEFORE] = before
    else this.#last[key] = before
    if (this.has(key)) return
    this.#size--
    this.#use.keys--
    this.#keys.release(key)
  }

  /** Sets the span that follows another of its id, or is the id's newest. */
  #setOlder(id: number, newer: number, span: number): void {
    if (newer === NONE) this.#newest[id] = span
    else this.#pageOf(newer)[atOf(newer) + OLDER] = span
  }

  #newestOf(id: number): number {
    return this.#newest[id] ?? NONE
  }

  #lastOf(key: number): number {
    return this.#last[key] ?? NONE
  }

  #olderThan(span: number): number {
    return this.#pageOf(span)[atOf(span) + OLDER] as number
  }

  #fromOf(span: number): number {
    return this.#pageOf(span)[atOf(span) + FROM] as number
  }

  #allocate(): number {
    const span = this.#free.pop() ?? this.#spans++
    if (span >>> PAGE_BITS === this.#pages.length) this.#pages.push(new Float64Array(PAGE * WIDTH))
    return span
  }

  #pageOf(span: number): Float64Array {
    return this.#pages[span >>> PAGE_BITS] as Float64Array
  }
}

interface Span {
  readonly id: number
  readonly fromMs: number
  readonly toMs: number
}

/** Where the numbers of a span begin in their page. */
function atOf(span: number): number {
  return (span & (PAGE - 1)) * WIDTH
}
