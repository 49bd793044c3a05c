import { Changes } from '../kernel/changes.ts'
import type { NewRecord } from '../records/port.ts'
import type { RecordMark, TopologyNote } from './restart-note.ts'

// The work of one partition between log and commit. What is finished stays here until the commit that holds it is known to
// have succeeded, and goes with the partition when that is lost (PROTOCOL C1, C3).

/** What one task has made of a chunk, or of a part of it. */
export interface Piece {
  readonly outputs: readonly NewRecord[]
  readonly deadLetters: readonly NewRecord[]
  /** Timestamp of the oldest record behind it, ms since the epoch; `null` when there is none. */
  readonly oldestMs: number | null
}

/** A chunk on its way: pieces may be written as they come, its offset may be committed once every task is done with it. */
export class Entry {
  readonly nextOffset: number
  readonly bytes: number
  /** The last record before its end; `null` when there has been none. */
  readonly lastRecord: RecordMark | null
  readonly pieces: Piece[] = []
  /** By topology: what a restart needs to know beside the offset. */
  readonly notes = new Map<string, TopologyNote>()
  readonly #changes = new Changes()
  #tasks: number

  constructor(o: Pick<Entry, 'nextOffset' | 'bytes' | 'lastRecord'> & { tasks: number }) {
    this.nextOffset = o.nextOffset
    this.lastRecord = o.lastRecord
    this.bytes = o.bytes
    this.#tasks = o.tasks
  }

  get isDone(): boolean {
    return this.#tasks === 0
  }

  /** A task is done with it. */
  done(topology: string, note: TopologyNote): void {
    this.notes.set(topology, note)
    this.#tasks--
  }

  /** The first `count` pieces are durable. */
  written(count: number): void {
    this.pieces.splice(0, count)
    this.#changes.tell()
  }

  /** Resolves when no more than `most` pieces wait. */
  room(most: number): Promise<void> {
    return this.#changes.until(() => this.pieces.length <= most)
  }
}

/** What a commit takes from a ledger. */
export interface Gathered {
  readonly pieces: readonly Piece[]
  /** Chunks that it ends; `null` when it ends none and moves no offset. */
  readonly last: Entry | null
  /** The chunks, and how many pieces of each. */
  readonly from: readonly { readonly entry: Entry; readonly pieces: number }[]
}

export class Ledger {
  /** In log order. */
  readonly #entries: Entry[] = []
  #bytes = 0

  /** A chunk has been taken. */
  open(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += entry.bytes
  }

  /** What is finished, in log order, up to about so many records; `null` when there is nothing. */
  gather(room: number): Gathered | null {
    const pieces: Piece[] = []
    const from: { entry: Entry; pieces: number }[] = []
    let last: Entry | null = null
    let records = 0
    for (const entry of this.#entries) {
      let taken = 0
      for (const piece of entry.pieces) {
        if (records >= room) break
        records += piece.outputs.length + piece.deadLetters.length
        pieces.push(piece)
        taken++
      }
      const isWhole = entry.isDone && taken === entry.pieces.length
      if (taken > 0 || isWhole) from.push({ entry, pieces: taken })
      // What comes after a chunk that is not finished waits for it.
      if (!isWhole) break
      last = entry
      if (records >= room) break
    }
    return from.length === 0 ? null : { pieces, last, from }
  }

  /** What was gathered is durable. */
  committed({ from, last }: Gathered): void {
    for (const { entry, pieces } of from) entry.written(pieces)
    if (last === null) return
    const ended = this.#entries.indexOf(last) + 1
    for (const entry of this.#entries.splice(0, ended)) this.#bytes -= entry.bytes
  }

  /** Is everything that was taken committed? */
  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** Size of the chunks that are taken and not committed. */
  get bytesInFlight(): number {
    return this.#bytes
  }
}
