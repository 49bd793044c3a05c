import { ConditionVariable } from '../../kernel/condition-variable.ts'
import type { Guarantee } from '../../records/port.ts'
import { MOST_OF_ONE } from '../partition/flow.ts'
import { Entry, type NewEntry, type Part, type RestartPoint, type Room } from './entry.ts'
import type { Weighed } from './piece.ts'

// The work of one partition between log and commit. What is finished stays here until the commit
// that contains it is known to have succeeded, and is dropped when the partition is lost (rules C1,
// C3).

/** The part of a ledger that goes into a commit. */
export interface Gathered {
  readonly pieces: readonly Weighed[]
  /** Where a restart continues after the commit; `null`: the commit advances no offset. */
  readonly upTo: RestartPoint | null
  /** Is it the result of a single record? */
  readonly isSmallest: boolean
  /** Was there room for everything that is finished? */
  readonly isAll: boolean
  readonly from: readonly { readonly entry: Entry; readonly part: Part }[]
}

/** Everything that a chunk has produced. */
const ALL: Part = { pieces: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY }
/**
 * Guess of what a record produces, in memory, before any has been finished, bytes: so large that
 * only some thousand records are in flight until then.
 */
const FIRST_GUESS_BYTES = 16_000

/**
 * A commit takes whole chunks, or a chunk up to a record; it then commits that record's offset.
 * Under at-least-once, pieces of a chunk may also be written as they are made, before the chunk is
 * finished and without an offset. Under exactly-once they wait for the end of the chunk: after a
 * crash between them and their offset they would be written again.
 */
export class Ledger {
  readonly #isWhole: boolean
  /** Entries in log order. */
  readonly #entries: Entry[] = []
  readonly #changed = new ConditionVariable()
  /** Size in memory of what the last finished chunk produced, per record. */
  #bytesPerRecord = FIRST_GUESS_BYTES
  #bytes = 0
  #isDropped = false

  constructor(guarantee: Guarantee) {
    this.#isWhole = guarantee === 'exactly-once'
  }

  /** Adds a chunk. */
  open(chunk: Omit<NewEntry, 'expectedBytes'>): Entry {
    // A record that closed many windows says little about the next ones.
    const expectedBytes = Math.min(
      Math.ceil(chunk.records.length * this.#bytesPerRecord),
      MOST_OF_ONE,
    )
    let bytes = 0
    const weigh = (entry: Entry) => {
      this.#bytes += entry.bytesInFlight - bytes
      bytes = entry.bytesInFlight
      if (entry.isDone) this.#bytesPerRecord = entry.bytesPerRecord ?? this.#bytesPerRecord
    }
    const entry = new Entry(
      { ...chunk, expectedBytes },
      { changed: weigh, room: (of, most) => this.#room(of, most) },
    )
    this.#entries.push(entry)
    weigh(entry)
    return entry
  }

  /**
   * Gathers what is finished, in log order, as far as there is room.
   * @param atLeast take the results of this many records even if there is no room
   */
  gather(room: Room, atLeast: 0 | 1): Gathered {
    const left = { ...room }
    const from: { entry: Entry; part: Part }[] = []
    let upTo: RestartPoint | null = null
    let [isSmallest, isAll] = [false, true]
    for (const entry of this.#entries) {
      const { bytes, records } = entry.toWrite
      if (entry.isDone && bytes <= left.bytes && records <= left.records) {
        from.push({ entry, part: ALL })
        upTo = entry.end
        left.bytes -= bytes
        left.records -= records
        continue
      }
      // What comes after a chunk that is only taken in part has to wait.
      if (entry.isDone) {
        const { before, causes } = entry.cut(left, from.length === 0 ? atLeast : 0)
        isAll = false
        if (causes === 0) break
        isSmallest = from.length === 0 && causes === 1
        const isEnd = before === entry.nextOffset
        from.push({ entry, part: isEnd ? ALL : { pieces: 0, before } })
        upTo = isEnd ? entry.end : entry.at(before)
      } else if (!this.#isWhole) {
        const pieces = Math.max(entry.piecesFor(left), from.length === 0 ? atLeast : 0)
        isAll = pieces >= entry.pieces.length
        if (entry.pieces.length === 0 || pieces === 0) break
        from.push({ entry, part: { pieces, before: Number.NEGATIVE_INFINITY } })
      }
      break
    }
    const pieces = from.flatMap(({ entry, part }) => entry.part(part))
    return { pieces, upTo, isSmallest, isAll, from }
  }

  /** What was gathered is committed. */
  committed({ from }: Gathered): void {
    for (const { entry, part } of from) entry.gone(part)
    const ended = from.filter(({ part }) => part === ALL).length
    for (const entry of this.#entries.splice(0, ended)) this.#bytes -= entry.bytesInFlight
    this.#changed.notifyAll()
  }

  /** Nothing of it will be committed any more; ends all waits for that. */
  drop(): void {
    this.#isDropped = true
    this.#changed.notifyAll()
  }

  /** Is everything that was added committed? */
  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** Is there nothing to commit until the first chunk has made more? */
  get isBlocked(): boolean {
    const [first] = this.#entries
    return first !== undefined && !first.isDone && (this.#isWhole || first.pieces.length === 0)
  }

  /** Size in memory of what is not committed yet. */
  get bytesInFlight(): number {
    return this.#bytes
  }

  #room(entry: Entry, most: number): Promise<void> {
    return this.#changed.until(() => this.#isDropped || this.#waiting(entry) <= most)
  }

  /**
   * Pieces that a commit could take although the chunk is not finished: under at-least-once its
   * own, under exactly-once those of earlier chunks.
   */
  #waiting(entry: Entry): number {
    if (!this.#isWhole) return entry.pieces.length
    const before = this.#entries.slice(0, this.#entries.indexOf(entry))
    return before.reduce((sum, { pieces }) => sum + pieces.length, 0)
  }
}
