import type { Arrivals, WindowResult } from '../../engine/events.ts'
import { NUMBER_BYTES, writeNumber } from '../../formats/json/number-text.ts'
import { ByteRoom, Constant } from '../../kernel/bytes.ts'
import { aroundOffset, windowId } from '../../kernel/ids.ts'
import { appendPart } from '../../records/record-format.ts'
import type { Following } from '../outputs.ts'

/** About how many bytes the key and the id of an event take. */
const USUAL = 96

/**
 * Keys, ids and timestamps of events that wait for a shadow, copied from their chunk: its memory
 * need not be kept.
 */
export class Origins {
  readonly #room: ByteRoom
  /** Where the key of each event begins, and its id. */
  readonly #starts: Int32Array
  readonly #timestampsMs: Float64Array
  #count = 0

  /** @param rows numbers of the arrivals @param sink the shadow's, in ids */
  constructor(
    { indices, windows }: Pick<Arrivals, 'indices' | 'windows'>,
    rows: readonly number[],
    { sink, from }: { readonly sink: string; readonly from: Following },
  ) {
    this.#room = new ByteRoom(rows.length * USUAL)
    this.#starts = new Int32Array(2 * rows.length + 1)
    this.#timestampsMs = new Float64Array(rows.length)
    const { topic, partition } = from.place.source
    const [before, after] = aroundOffset({ topic, partition, sink }).map((t) => new Constant(t))
    const around = { before: before as Constant, after: after as Constant }
    for (const row of rows) {
      const index = indices[row] as number
      if (windows === null) this.#addRecord(index, around, from)
      else this.#addWindow(windows[index] as WindowResult, { sink, around, from })
    }
    this.#starts[2 * this.#count] = this.#room.used
  }

  timestampMs(i: number): number {
    return this.#timestampsMs[i] as number
  }

  /** The key as in a batch, after its length. */
  keyPart(i: number): Buffer {
    return this.#room.bytes.subarray(this.#starts[2 * i], this.#starts[2 * i + 1])
  }

  /** What the header `tidemark-id` is to be. */
  id(i: number): Buffer {
    return this.#room.bytes.subarray(this.#starts[2 * i + 1], this.#starts[2 * i + 2])
  }

  #addRecord(index: number, around: AroundOffset, { records }: Following): void {
    this.#begin(records.timestampMsAt(index))
    records.appendKey(index, this.#room)
    this.#endKey()
    this.#appendId(around, records.offsetAt(index))
  }

  #addWindow(window: WindowResult, { sink, around, from }: OfWindow): void {
    const { key, startMs, cause, isFinal } = window
    const { records, place } = from
    this.#begin(cause === null ? place.present.earliestMs : records.timestampMsAt(cause))
    appendPart(Buffer.from(key), this.#room)
    this.#endKey()
    const { topic, partition } = place.source
    if (isFinal) this.#room.text(windowId({ topic, partition, sink, key, startMs }))
    else this.#appendId(around, records.offsetAt(cause as number))
  }

  #begin(timestampMs: number): void {
    this.#timestampsMs[this.#count] = timestampMs
    this.#starts[2 * this.#count] = this.#room.used
  }

  #endKey(): void {
    this.#starts[2 * this.#count + 1] = this.#room.used
    this.#count++
  }

  #appendId({ before, after }: AroundOffset, offset: number): void {
    const room = this.#room
    room.constant(before)
    room.reserve(NUMBER_BYTES)
    room.used = writeNumber(room.bytes, room.used, offset)
    room.constant(after)
  }
}

interface AroundOffset {
  readonly before: Constant
  readonly after: Constant
}

interface OfWindow {
  readonly sink: string
  readonly around: AroundOffset
  readonly from: Following
}
