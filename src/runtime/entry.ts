import { firstFrom } from '../records/log-records.ts'
import type { LogRecords } from '../records/port.ts'
import { madeBefore, madeFrom } from './made.ts'
import { cutPiece, type Piece, type Weighed, weigh, weightsByCause } from './piece.ts'
import { markOf, type RecordMark, type TopologyNote } from './restart-note.ts'

/** How much a commit may still take. */
export interface Room {
  readonly bytes: number
  readonly records: number
}

/** Where a restart goes on, and what it needs to know there. */
export interface RestartPoint {
  readonly nextOffset: number
  /** The last record before it; `null` when there has been none. */
  readonly lastRecord: RecordMark | null
  /** By topology. */
  readonly notes: ReadonlyMap<string, TopologyNote>
}

/**
 * A part of what was made of a chunk: its first pieces, and of the others what came of records
 * before an offset.
 */
export interface Part {
  readonly pieces: number
  readonly before: number
}

export interface NewEntry {
  readonly nextOffset: number
  /** Of the chunk. */
  readonly records: LogRecords
  readonly bytes: number
  /** The last record before its end; `null` when there has been none. */
  readonly lastRecord: RecordMark | null
  /** That have to be done with it. */
  readonly tasks: number
  /** About what will be made of it, in memory, bytes. */
  readonly expectedBytes: number
}

/** Whose the chunk is. */
interface Around {
  /** There is more or less of it. */
  changed(entry: Entry): void
  room(entry: Entry, most: number): Promise<void>
}

/** A chunk on its way; its offset may be committed once every task is done with it. */
export class Entry {
  readonly nextOffset: number
  readonly #chunk: NewEntry
  readonly #around: Around
  #pieces: Weighed[] = []
  /** By topology: what a restart needs to know at its first record, and at its end. */
  readonly #begin = new Map<string, TopologyNote>()
  readonly #end = new Map<string, TopologyNote>()
  #tasks: number
  /** In memory, of all that was ever made of it. */
  #madeBytes = 0

  constructor(chunk: NewEntry, around: Around) {
    this.nextOffset = chunk.nextOffset
    this.#chunk = chunk
    this.#around = around
    this.#tasks = chunk.tasks
  }

  get isDone(): boolean {
    return this.#tasks === 0
  }

  /** What was made and is not durable. */
  get pieces(): readonly Weighed[] {
    return this.#pieces
  }

  /** How much of it there is to be written. */
  get toWrite(): Room {
    return {
      bytes: this.#pieces.reduce((sum, piece) => sum + piece.bytes, 0),
      records: this.#pieces.reduce((sum, piece) => sum + piece.records, 0),
    }
  }

  /** What it holds in memory, and what is expected to come. */
  get bytesInFlight(): number {
    const made = this.#pieces.reduce((sum, piece) => sum + piece.memoryBytes, 0)
    const expected = this.isDone ? 0 : this.#chunk.expectedBytes - this.#madeBytes
    return this.#chunk.bytes + made + Math.max(0, expected)
  }

  /** In memory, of what was made for each record of the chunk; `null` when it has none. */
  get bytesPerRecord(): number | null {
    const { length } = this.#chunk.records
    return length === 0 ? null : this.#madeBytes / length
  }

  /** A task begins with it. */
  begin(topology: string, note: TopologyNote): void {
    this.#begin.set(topology, note)
  }

  /** A task has made something of it. */
  add(piece: Piece): void {
    const weighed = weigh(piece)
    this.#pieces.push(weighed)
    this.#madeBytes += weighed.memoryBytes
    this.#around.changed(this)
  }

  /** A task is done with it. */
  done(topology: string, note: TopologyNote): void {
    this.#end.set(topology, note)
    this.#tasks--
    this.#around.changed(this)
  }

  /**
   * Resolves when it may have more pieces: no more than `most` wait that could be written by now.
   */
  room(most: number): Promise<void> {
    return this.#around.room(this, most)
  }

  /** Where a restart goes on when all of it is durable. */
  get end(): RestartPoint {
    const { nextOffset, lastRecord } = this.#chunk
    return { nextOffset, lastRecord, notes: this.#end }
  }

  /**
   * Where a restart goes on when what came of records before an offset is durable. It reads again
   * from where it would at the first record of the chunk.
   */
  at(offset: number): RestartPoint {
    const { records } = this.#chunk
    const before = firstFrom(records, offset)
    const lastRecord = before === 0 ? null : markOf(records.at(before - 1))
    return { nextOffset: offset, lastRecord, notes: this.#begin }
  }

  /** How many pieces there is room for, as they came. */
  piecesFor(room: Room): number {
    const left = { ...room }
    const count = this.#pieces.findIndex(({ bytes, records }) => {
      left.bytes -= bytes
      left.records -= records
      return left.bytes < 0 || left.records < 0
    })
    return count < 0 ? this.#pieces.length : count
  }

  /**
   * How far there is room when what one record makes stays together: up to the offset of the first
   * of which it does not fit, or to the end of the chunk; and of how many records that is what was
   * made.
   * @param atLeast so many, whether there is room or not
   */
  cut(room: Room, atLeast: 0 | 1): { readonly before: number; readonly causes: number } {
    const left = { ...room }
    let causes = 0
    for (const [before, { bytes, records }] of this.#weights()) {
      left.bytes -= bytes
      left.records -= records
      if (causes >= atLeast && (left.bytes < 0 || left.records < 0)) return { before, causes }
      causes++
    }
    return { before: this.nextOffset, causes }
  }

  /** What a part of it is. */
  part({ pieces, before }: Part): Weighed[] {
    const whole = this.#pieces.slice(0, pieces)
    if (before === Number.NEGATIVE_INFINITY) return whole
    return [...whole, ...this.#pieces.slice(pieces).map((p) => cutPiece(p, before, madeBefore))]
  }

  /** A part of it is durable. */
  gone({ pieces, before }: Part): void {
    for (const { outputs, deadLetters } of this.#pieces.slice(0, pieces)) {
      outputs.records.free()
      deadLetters.records.free()
    }
    this.#pieces = this.#pieces.slice(pieces)
    if (before !== Number.NEGATIVE_INFINITY) {
      this.#pieces = this.#pieces.map((piece) => cutPiece(piece, before, madeFrom))
    }
    this.#around.changed(this)
  }

  /** By the offset of the record that it came of, in log order. */
  #weights(): [cause: number, Room][] {
    const weights = new Map<number, Room>()
    for (const [cause, { bytes, records }] of this.#pieces.flatMap(weightsByCause)) {
      const before = weights.get(cause) ?? NOTHING
      weights.set(cause, { bytes: before.bytes + bytes, records: before.records + records })
    }
    return [...weights].sort(([a], [b]) => a - b)
  }
}

const NOTHING: Room = { bytes: 0, records: 0 }
