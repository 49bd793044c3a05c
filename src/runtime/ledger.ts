import { ConditionVariable } from '../kernel/condition-variable.ts'
import type { Guarantee } from '../records/port.ts'
import { Entry, type NewEntry, type Part, type RestartPoint, type Room } from './entry.ts'
import { MOST_OF_ONE } from './flow.ts'
import type { Weighed } from './piece.ts'

// The work of one partition between log and commit. What is finished stays here until the commit
// that holds it is known to have succeeded, and goes with the partition when that is lost (rules
// C1, C3).

/** What a commit takes from a ledger. */
export interface Gathered {
  readonly pieces: readonly Weighed[]
  /** How far it gets; `null` when it moves no offset. */
  readonly upTo: RestartPoint | null
  /** Is it what a single record has made? */
  readonly isSmallest: boolean
  /** Was there room for all that is finished? */
  readonly isAll: boolean
  readonly from: readonly { readonly entry: Entry; readonly part: Part }[]
}

/** All that was made of a chunk. */
const ALL: Part = { pieces: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY }
/**
 * What is made of a record, in memory, before any has shown it, bytes: so much that some thousand
 * are waited for.
 */
const FIRST_GUESS_BYTES = 16_000

/**
 * A commit takes chunks whole, or a chunk up to a record: then its offset is that of the record. At
 * least once, pieces of a chunk may also be written as they come, before it is finished and without
 * an offset. Exactly once they wait for its end: a crash between them and their offset would have
 * them written again.
 */
export class Ledger {
  readonly #isWhole: boolean
  /** In log order. */
  readonly #entries: Entry[] = []
  readonly #changed = new ConditionVariable()
  /** In memory, of what was made of the last chunk, for each of its records. */
  #bytesPerRecord = FIRST_GUESS_BYTES
  #bytes = 0
  #isDropped = false

  constructor(guarantee: Guarantee) {
    this.#isWhole = guarantee === 'exactly-once'
  }

  /** A chunk has been taken. */
  open(chunk: Omit<NewEntry, 'expectedBytes'>): Entry {
    // One record that has closed many windows says little about the next ones.
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
   * What is finished, in log order, as far as there is room.
   * @param atLeast what so many records made, whether there is room or not
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
      // What comes after a chunk that is not taken whole waits for it.
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

  /** What was gathered is durable. */
  committed({ from }: Gathered): void {
    for (const { entry, part } of from) entry.gone(part)
    const ended = from.filter(({ part }) => part === ALL).length
    for (const entry of this.#entries.splice(0, ended)) this.#bytes -= entry.bytesInFlight
    this.#changed.notifyAll()
  }

  /** Nothing of it is committed any more, and nobody waits for that. */
  drop(): void {
    this.#isDropped = true
    this.#changed.notifyAll()
  }

  /** Is everything that was taken committed? */
  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** In memory, of what is taken and not committed. */
  get bytesInFlight(): number {
    return this.#bytes
  }

  #room(entry: Entry, most: number): Promise<void> {
    return this.#changed.until(() => this.#isDropped || this.#waiting(entry) <= most)
  }

  /**
   * Pieces that a commit could take while a chunk is not finished: at least once its own, exactly
   * once those before it.
   */
  #waiting(entry: Entry): number {
    if (!this.#isWhole) return entry.pieces.length
    const before = this.#entries.slice(0, this.#entries.indexOf(entry))
    return before.reduce((sum, { pieces }) => sum + pieces.length, 0)
  }
}
