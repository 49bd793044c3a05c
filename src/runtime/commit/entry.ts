import { firstFrom } from '../../records/log-records.ts'
import type { LogRecords } from '../../records/port.ts'
import { markOf, type RecordMark, type TopologyNote } from './checkpoint-metadata.ts'
import { madeBefore, madeFrom } from './output-batch.ts'
import { cutPiece, type Piece, type Weighed, weigh, weightsByCause } from './piece.ts'

/** Room left in a commit. */
export interface Room {
  readonly bytes: number
  readonly records: number
}

/** Where a restart continues, and what it needs to know there. */
export interface RestartPoint {
  readonly nextOffset: number
  /** The last record before it; `null` when there has been none. */
  readonly lastRecord: RecordMark | null
  /** By topology name. */
  readonly notes: ReadonlyMap<string, TopologyNote>
}

/**
 * A part of what a chunk has produced: its first pieces, and of the other pieces what came from
 * records before an offset.
 */
export interface Part {
  readonly pieces: number
  readonly before: number
}

/** What an {@link Entry} begins with. */
export interface NewEntry {
  readonly nextOffset: number
  /** The records of the chunk. */
  readonly records: LogRecords
  readonly bytes: number
  /** The last record before the end of the chunk; `null`: there has been none. */
  readonly lastRecord: RecordMark | null
  /** The number of tasks that must finish it. */
  readonly tasks: number
  /** Estimated size of what it will produce, in memory, bytes. */
  readonly expectedBytes: number
}

/** The ledger that the entry belongs to. */
interface Around {
  /** Called when the entry has grown or shrunk. */
  changed(entry: Entry): void
  room(entry: Entry, most: number): Promise<void>
}

/** A chunk in flight. Its offset may be committed once every task is done with it. */
export class Entry {
  readonly nextOffset: number
  readonly #chunk: NewEntry
  readonly #around: Around
  #pieces: Weighed[] = []
  /**
   * By topology name: what a restart needs to know at the first record of the chunk, and at its
   * end.
   */
  readonly #begin = new Map<string, TopologyNote>()
  readonly #end = new Map<string, TopologyNote>()
  #tasks: number
  /** Size of everything that it has ever produced, in memory. */
  #madeBytes = 0

  constructor(chunk: NewEntry, around: Around) {
    this.nextOffset = chunk.nextOffset
    this.#chunk = chunk
    this.#around = around
    this.#tasks = chunk.tasks
  }

  /** Is every task done with it? */
  get isDone(): boolean {
    return this.#tasks === 0
  }

  /** What it has produced that is not committed yet. */
  get pieces(): readonly Weighed[] {
    return this.#pieces
  }

  /** Size of what is left to write. */
  get toWrite(): Room {
    return {
      bytes: this.#pieces.reduce((sum, piece) => sum + piece.bytes, 0),
      records: this.#pieces.reduce((sum, piece) => sum + piece.records, 0),
    }
  }

  /** Its size in memory, plus what it is still expected to produce, bytes. */
  get bytesInFlight(): number {
    const made = this.#pieces.reduce((sum, piece) => sum + piece.memoryBytes, 0)
    const expected = this.isDone ? 0 : this.#chunk.expectedBytes - this.#madeBytes
    return this.#chunk.bytes + made + Math.max(0, expected)
  }

  /** Size in memory of what it has produced, per record of the chunk; `null`: it has no records. */
  get bytesPerRecord(): number | null {
    const { length } = this.#chunk.records
    return length === 0 ? null : this.#madeBytes / length
  }

  /** A task begins it. */
  begin(topology: string, note: TopologyNote): void {
    this.#begin.set(topology, note)
  }

  /** A task has produced something from it. */
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
   * Resolves when more pieces may be added: no more than `most` are waiting that could be written
   * already.
   */
  room(most: number): Promise<void> {
    return this.#around.room(this, most)
  }

  /** Where a restart continues once all of the chunk is committed. */
  get end(): RestartPoint {
    const { nextOffset, lastRecord } = this.#chunk
    return { nextOffset, lastRecord, notes: this.#end }
  }

  /**
   * Where a restart continues once the results of records before an offset are committed. Its
   * replay begins where it would begin for the first record of the chunk.
   */
  at(offset: number): RestartPoint {
    const { records } = this.#chunk
    const before = firstFrom(records, offset)
    const lastRecord = before === 0 ? null : markOf(records.at(before - 1))
    return { nextOffset: offset, lastRecord, notes: this.#begin }
  }

  /** How many pieces, from the first, there is room for. */
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
   * How much there is room for when the results of one record stay together: up to the offset of
   * the first record whose results do not fit, or to the end of the chunk; and the number of
   * records before it that have results.
   * @param atLeast take the results of this many records even if there is no room
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

  /** The pieces of a part. */
  part({ pieces, before }: Part): Weighed[] {
    const whole = this.#pieces.slice(0, pieces)
    if (before === Number.NEGATIVE_INFINITY) return whole
    return [...whole, ...this.#pieces.slice(pieces).map((p) => cutPiece(p, before, madeBefore))]
  }

  /** A part of it is committed. */
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

  /** The weight of the results of each record, by the record's offset, in log order. */
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
