import type { Read } from '../../../columns/events.ts'
import { FieldRead, NO_CELL, ScannedEvents } from '../../../columns/scanned-events.ts'
import { Memory } from '../../../kernel/bytes.ts'
import type { TidemarkError } from '../../../kernel/errors.ts'
import type { FlowBatch } from '../../events.ts'
import { badId, threw } from '../../faults.ts'
import { Dictionary } from '../../store/dictionary.ts'
import { Expiry } from '../../store/expiry.ts'
import { atOf, Slabs } from '../../store/slabs.ts'
import type { HeldState } from '../../store/state-limits.ts'
import type { OperatorContext } from '../rule.ts'

const WIDTH = 5
/** Offsets in a span: its id and key, its first and last event time, the id's next older span. */
const ID = 0
const KEY = 1
const FROM = 2
const TO = 3
const OLDER = 4

const NONE = -1

const SPAN_BYTES = 8 * WIDTH
/** Approximate bytes of a span's entries in an index and a queue, which may have just grown. */
const ENTRY_BYTES = 12 + 12
/** Approximate bytes per key besides its spans. */
const KEY_BYTES = 16

interface IdTimes {
  /** ms; events of one id that are at least this far apart are not duplicates. */
  readonly withinMs: number
  /** ms; how far behind the watermark an evicted id's last event is. */
  readonly retentionMs: number
}

type SeenContext = Pick<OperatorContext, 'keys' | 'use'>

/**
 * The ids that each key has had lately, as spans of event times less than `within` apart; most have
 * one. A span is numbers in a slab, so the garbage collector has nothing to scan.
 */
export class SeenIds implements HeldState {
  readonly numbers: Dictionary
  readonly #withinMs: number
  readonly #expiry: Expiry
  readonly #context: SeenContext
  readonly #slabs = new Slabs()
  /** By an id's number: the place of its newest span. */
  readonly #newest: number[] = []
  /** Spans of each key, by its number. */
  readonly #spansOfKey: number[] = []
  #size = 0

  constructor({ withinMs, retentionMs }: IdTimes, context: SeenContext) {
    this.#withinMs = withinMs
    this.#expiry = new Expiry(retentionMs)
    this.#context = context
    this.numbers = new Dictionary(context.keys.hash)
  }

  get bytes(): number {
    const { bytes } = this.#slabs
    const entries = ENTRY_BYTES * (bytes / SPAN_BYTES)
    return this.numbers.bytes + bytes + entries + KEY_BYTES * this.#size
  }

  get texts(): number {
    return this.numbers.size
  }

  has(key: number): boolean {
    return (this.#spansOfKey[key] ?? 0) > 0
  }

  /**
   * Whether an event of the id lies less than `within` from a time.
   * @param joins the time then joins its span
   */
  knows(id: number, timeMs: number, joins: boolean): boolean {
    for (let span = this.#newestOf(id); span !== NONE; ) {
      const page = this.#slabs.pageOf(span)
      const at = atOf(span)
      // Spans of an id never overlap, and the newest comes first.
      if (timeMs >= (page[at + TO] as number) + this.#withinMs) return false
      if (timeMs > (page[at + FROM] as number) - this.#withinMs) {
        if (joins && timeMs > (page[at + TO] as number)) page[at + TO] = timeMs
        if (joins && timeMs < (page[at + FROM] as number)) page[at + FROM] = timeMs
        return true
      }
      span = page[at + OLDER] as number
    }
    return false
  }

  begin(id: number, key: number, timeMs: number): void {
    const span = this.#slabs.allocate(WIDTH)
    const page = this.#slabs.pageOf(span)
    const at = atOf(span)
    page[at + ID] = this.numbers.hold(id)
    page[at + KEY] = key
    page[at + FROM] = timeMs
    page[at + TO] = timeMs
    this.#addToId(span, page, at)
    this.#addToKey(key)
    this.#expiry.file(span, timeMs)
  }

  expire(watermarkMs: number, most: number): void {
    this.#expiry.sweep(watermarkMs, most, {
      newestMsOf: (span) => this.#fieldOf(span, TO),
      evict: (span) => this.#evict(span),
    })
    this.numbers.expire(most)
  }

  /** Inserts a span into those of its id, the newest of which comes first. */
  #addToId(span: number, page: Float64Array, at: number): void {
    const id = page[at + ID] as number
    while (this.#newest.length <= id) this.#newest.push(NONE)
    let newer = NONE
    let older = this.#newestOf(id)
    while (older !== NONE && this.#fieldOf(older, FROM) > (page[at + FROM] as number)) {
      newer = older
      older = this.#fieldOf(older, OLDER)
    }
    page[at + OLDER] = older
    this.#setOlder(id, newer, span)
  }

  #addToKey(key: number): void {
    const spans = this.#spansOfKey
    while (spans.length <= key) spans.push(0)
    if (spans[key] === 0) {
      this.#size++
      this.#context.use.keys++
      this.#context.keys.hold(key)
    }
    spans[key] = (spans[key] as number) + 1
  }

  #evict(span: number): void {
    const page = this.#slabs.pageOf(span)
    const at = atOf(span)
    const id = page[at + ID] as number
    let newer = NONE
    for (let other = this.#newestOf(id); other !== span; other = this.#fieldOf(other, OLDER)) {
      newer = other
    }
    this.#setOlder(id, newer, page[at + OLDER] as number)
    this.numbers.release(id)
    this.#removeFromKey(page[at + KEY] as number)
    this.#slabs.giveBack(span, WIDTH)
  }

  #removeFromKey(key: number): void {
    const left = (this.#spansOfKey[key] as number) - 1
    this.#spansOfKey[key] = left
    if (left > 0) return
    this.#size--
    this.#context.use.keys--
    this.#context.keys.release(key)
  }

  /** Sets the span after `newer`, or the id's newest span. */
  #setOlder(id: number, newer: number, span: number): void {
    if (newer === NONE) this.#newest[id] = span
    else this.#slabs.pageOf(newer)[atOf(newer) + OLDER] = span
  }

  #newestOf(id: number): number {
    return this.#newest[id] ?? NONE
  }

  #fieldOf(span: number, offset: number): number {
    return this.#slabs.pageOf(span)[atOf(span) + offset] as number
  }
}

const SEPARATOR = ':'
const SEPARATOR_BYTE = SEPARATOR.charCodeAt(0)
const ZERO = '0'.charCodeAt(0)
/** Bytes: the number of any key, and the separator. */
const PREFIX = 11
const FIRST_BYTES = 256

/** An id counts within its key: its number stands for the text `<key number>:<id>`. */
export class EventIds {
  /** The id read last; nobody holds it. */
  number = 0
  readonly #read: Read<unknown>
  /** `null`: the id is not a text in a column. */
  readonly #field: FieldRead<unknown> | null
  readonly #numbers: Dictionary
  #scratch = new Memory(new ArrayBuffer(FIRST_BYTES))

  constructor(read: Read<unknown>, numbers: Dictionary) {
    this.#read = read
    this.#field = read instanceof FieldRead && read.type === 'text' ? read : null
    this.#numbers = numbers
  }

  /** Reads an event's id. @returns why it has none */
  read({ events, keys }: Pick<FlowBatch, 'events' | 'keys'>, index: number): TidemarkError | null {
    const key = keys[index] as number
    if (events instanceof ScannedEvents && this.#readScanned(key, events, index)) return null
    try {
      const id = this.#read.of(events, index)
      if (typeof id !== 'string' || id === '') return badId(id)
      this.number = numberOfId(this.#numbers, key, id)
      return null
    } catch (cause) {
      return threw(cause)
    }
  }

  /** @returns false: the id is not in a column, so only the function can tell */
  #readScanned(key: number, events: ScannedEvents, index: number): boolean {
    const cell = this.#field?.cellIn(events, index) ?? NO_CELL
    if (cell === NO_CELL) return false
    const from = events.columns.starts[cell] as number
    const length = (events.columns.ends[cell] as number) - from
    if (length === 0) return false
    const begin = this.#writePrefix(key, length)
    const id = (events.memoryOf(index) as Memory).bytes
    const { bytes } = this.#scratch
    for (let i = 0; i < length; i++) bytes[PREFIX + i] = id[from + i] as number
    this.number = this.#numbers.numberOfBytes(this.#scratch, begin, PREFIX + length)
    return true
  }

  /** @returns where the prefix of an id of this length begins */
  #writePrefix(key: number, length: number): number {
    if (PREFIX + length > this.#scratch.bytes.length) {
      this.#scratch = new Memory(new ArrayBuffer((PREFIX + length) * 2))
    }
    const { bytes } = this.#scratch
    let at = PREFIX - 1
    bytes[at] = SEPARATOR_BYTE
    for (let left = key; ; left = Math.floor(left / 10)) {
      bytes[--at] = ZERO + (left % 10)
      if (left < 10) return at
    }
  }
}

export function numberOfId(numbers: Dictionary, key: number, id: string): number {
  return numbers.numberOf(`${key}${SEPARATOR}${id}`)
}
