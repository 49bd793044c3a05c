import { Changes } from '../kernel/changes.ts'
import type { Guarantee, NewRecord } from '../records/port.ts'
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

/** A chunk on its way; its offset may be committed once every task is done with it. */
export class Entry {
  readonly nextOffset: number
  readonly bytes: number
  /** The last record before its end; `null` when there has been none. */
  readonly lastRecord: RecordMark | null
  readonly pieces: Piece[] = []
  /** By topology: what a restart needs to know beside the offset. */
  readonly notes = new Map<string, TopologyNote>()
  readonly #ledger: Ledger
  #tasks: number

  constructor(o: NewEntry, ledger: Ledger) {
    this.nextOffset = o.nextOffset
    this.lastRecord = o.lastRecord
    this.bytes = o.bytes
    this.#tasks = o.tasks
    this.#ledger = ledger
  }

  get isDone(): boolean {
    return this.#tasks === 0
  }

  /** A task is done with it. */
  done(topology: string, note: TopologyNote): void {
    this.notes.set(topology, note)
    this.#tasks--
  }

  /** Resolves when the chunk may have more pieces: no more than `most` wait that could be written by now. */
  room(most: number): Promise<void> {
    return this.#ledger.until(() => this.#ledger.waiting(this) <= most)
  }
}

type NewEntry = Pick<Entry, 'nextOffset' | 'bytes' | 'lastRecord'> & { readonly tasks: number }

/** What a commit takes from a ledger. */
export interface Gathered {
  readonly pieces: readonly Piece[]
  /** Chunks that it ends; `null` when it ends none and moves no offset. */
  readonly last: Entry | null
  /** The chunks, and how many pieces of each. */
  readonly from: readonly { readonly entry: Entry; readonly pieces: number }[]
}

/**
 * At least once, pieces of a chunk may be written as they come. Exactly once, a commit takes a chunk whole: a crash between
 * its pieces and its offset would have them written again.
 */
export class Ledger {
  readonly #isWhole: boolean
  /** In log order. */
  readonly #entries: Entry[] = []
  readonly #changes = new Changes()
  #bytes = 0

  constructor(guarantee: Guarantee) {
    this.#isWhole = guarantee === 'exactly-once'
  }

  /** A chunk has been taken. */
  open(chunk: NewEntry): Entry {
    const entry = new Entry(chunk, this)
    this.#entries.push(entry)
    this.#bytes += entry.bytes
    return entry
  }

  /** What is finished, in log order, up to about so many records, but a chunk that is taken whole; `null` when there is nothing. */
  gather(room: number): Gathered | null {
    const pieces: Piece[] = []
    const from: { entry: Entry; pieces: number }[] = []
    let last: Entry | null = null
    let records = 0
    for (const entry of this.#entries) {
      let taken = 0
      if (this.#isWhole && !entry.isDone) break
      for (const piece of entry.pieces) {
        if (records >= room && !this.#isWhole) break
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
    for (const { entry, pieces } of from) entry.pieces.splice(0, pieces)
    const ended = last === null ? 0 : this.#entries.indexOf(last) + 1
    for (const entry of this.#entries.splice(0, ended)) this.#bytes -= entry.bytes
    this.#changes.tell()
  }

  /** Pieces that a commit could take while a chunk is not finished: at least once its own, exactly once those before it. */
  waiting(entry: Entry): number {
    if (!this.#isWhole) return entry.pieces.length
    const before = this.#entries.slice(0, this.#entries.indexOf(entry))
    return before.reduce((sum, { pieces }) => sum + pieces.length, 0)
  }

  /** Resolves as soon as it holds. */
  until(holds: () => boolean): Promise<void> {
    return this.#changes.until(holds)
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
