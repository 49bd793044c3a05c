import type { ModelBatch, ReadyBatch, StepScores, WindowResult } from '../../../engine/events.ts'
import { NUMBER_BYTES, writeNumber } from '../../../formats/json/number-text.ts'
import { ByteRoom, Constant } from '../../../kernel/bytes.ts'
import { aroundOffset, windowId } from '../../../kernel/ids.ts'
import { appendPart } from '../../../records/record-format.ts'
import type { StepModel } from '../../../scoring/step-models.ts'
import type { OutputContext } from '../outputs.ts'

/** Events whose main scores are known. */
export interface OfferedEvents {
  readonly ready: ReadyBatch
  readonly model: ModelBatch
  readonly scores: StepScores
  readonly from: OutputContext
}

/** Events with a main score that wait for a shadow's. */
export interface KeptRows {
  readonly count: number
  /** In the order of the shadow's model. */
  readonly rows: Float32Array
  /** By output of the step. */
  readonly main: readonly Float64Array[]
  /** The decision about each row; `null`: 0 for all. */
  readonly decided: Uint8Array | null
  readonly origins: Origins | null
}

interface Keeping {
  readonly model: StepModel
  readonly sink: string | null
}

/**
 * Keeps some events of a chunk, without copying what all of them share with it.
 *
 * @param chosen numbers of rows, in order
 */
export function keepRows(
  { ready, model: { rows }, scores, from }: OfferedEvents,
  chosen: readonly number[],
  { model, sink }: Keeping,
): KeptRows {
  const isAll = chosen.length === ready.indices.length
  const { columns, decided } = scores
  // A few rows must not keep the memory of a large chunk.
  const { byteLength, buffer } = rows
  const isWhole = isAll && 2 * byteLength >= buffer.byteLength
  return {
    count: chosen.length,
    rows: model.rowsOf(rows, isWhole ? null : chosen),
    main: columns.map((column) => picked(column, chosen)),
    decided:
      isAll || decided === null ? decided : Uint8Array.from(chosen, (r) => decided[r] as number),
    origins: sink === null ? null : new Origins(ready, chosen, { sink, from }),
  }
}

export function picked(column: Float64Array, rows: readonly number[]): Float64Array {
  if (rows.length === column.length) return column
  const own = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) own[i] = column[rows[i] as number] as number
  return own
}

/** About how many bytes the key and the id of an event take. */
const USUAL = 96

/**
 * Keys, ids and timestamps of waiting events, copied from their chunk so that its memory is freed.
 */
export class Origins {
  readonly #room: ByteRoom
  /** Where the key of each event begins, and its id. */
  readonly #starts: Int32Array
  readonly #timestampsMs: Float64Array
  #count = 0

  /** @param sink the shadow's, in ids */
  constructor(
    { indices, windows }: Pick<OfferedEvents['ready'], 'indices' | 'windows'>,
    rows: readonly number[],
    { sink, from }: { readonly sink: string; readonly from: OutputContext },
  ) {
    this.#room = new ByteRoom(rows.length * USUAL)
    this.#starts = new Int32Array(2 * rows.length + 1)
    this.#timestampsMs = new Float64Array(rows.length)
    const { topic, partition } = from.source
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

  id(i: number): Buffer {
    return this.#room.bytes.subarray(this.#starts[2 * i + 1], this.#starts[2 * i + 2])
  }

  #addRecord(index: number, around: AroundOffset, { records }: OutputContext): void {
    this.#begin(records.timestampMsAt(index))
    records.appendKey(index, this.#room)
    this.#endKey()
    this.#appendId(around, records.offsetAt(index))
  }

  #addWindow(window: WindowResult, { sink, around, from }: OfWindow): void {
    const { key, startMs, cause, isFinal } = window
    const { records, source, present } = from
    this.#begin(cause === null ? present.earliestMs : records.timestampMsAt(cause))
    appendPart(Buffer.from(key), this.#room)
    this.#endKey()
    const { topic, partition } = source
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
  readonly from: OutputContext
}
