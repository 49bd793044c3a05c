import type { Chunk } from '../../connect/port.ts'
import { Parity } from '../../scoring/parity.ts'
import type { OutputScore, ScoredOutput } from './compared-topic.ts'

const SIDES = ['main', 'other'] as const
export type Side = (typeof SIDES)[number]

export interface PairOptions {
  readonly mostPending: number
  readonly withByClock: boolean
  readonly threshold: number
}

/** The parity of two models; the names are those in `tidemark-model`. */
export interface ModelPair {
  readonly main: string
  readonly other: string
  readonly parity: Parity
}

type Entry = Record<Side, OutputScore | null>

/**
 * Pairs the outputs of two topics by their cause, and compares their scores. The first output of a
 * cause counts. A cause is remembered until too many newer ones have come.
 */
export class Pairs {
  readonly #options: PairOptions
  readonly #entries = new Map<string, Entry>()
  /**
   * Causes in a ring, each in place of the oldest. V8 finds the first entry of a map more slowly the
   * more entries before it were deleted.
   */
  readonly #ring: string[] = []
  #causes = 0
  readonly #models = new Map<string, ModelPair>()
  readonly twice: Record<Side, number> = { main: 0, other: 0 }
  /** Outputs that are no longer remembered and had none on the other side. */
  readonly alone: Record<Side, number> = { main: 0, other: 0 }
  count = 0
  /** Pairs and lone outputs that were left out, because the wall clock chose their model. */
  byClock = 0
  /** Lone outputs that were forgotten before both topics had been read. */
  givenUp = 0

  constructor(options: PairOptions) {
    this.#options = options
  }

  /** Outputs whose counterpart may still come. */
  get waiting(): number {
    const entries = [...this.#entries.values()]
    return entries.filter(({ main, other }) => main === null || other === null).length
  }

  get models(): readonly ModelPair[] {
    return [...this.#models.values()]
  }

  add(side: Side, { cause, scored }: ScoredOutput): void {
    const entry = this.#entryOf(cause)
    if (entry[side] !== null) {
      this.twice[side]++
      return
    }
    entry[side] = scored
    if (entry.main !== null && entry.other !== null) this.#compare(entry.main, entry.other)
  }

  end(): void {
    for (const entry of this.#entries.values()) this.#countIfAlone(entry)
    this.#entries.clear()
  }

  #entryOf(cause: string): Entry {
    const match = this.#entries.get(cause)
    if (match !== undefined) return match
    const place = this.#causes++ % this.#options.mostPending
    const oldest = this.#ring[place]
    if (oldest !== undefined) this.#forget(oldest)
    this.#ring[place] = cause
    const entry = { main: null, other: null }
    this.#entries.set(cause, entry)
    return entry
  }

  #forget(cause: string): void {
    if (this.#countIfAlone(this.#entries.get(cause) as Entry)) this.givenUp++
    this.#entries.delete(cause)
  }

  #compare(main: OutputScore, other: OutputScore): void {
    if (this.#isLeftOut(main) || this.#isLeftOut(other)) {
      this.byClock++
      return
    }
    this.count++
    this.#parityOf(main.model, other.model).add([main.score], [other.score], 1)
  }

  #parityOf(main: string, other: string): Parity {
    const name = `${main}\n${other}`
    const { threshold } = this.#options
    const pair = this.#models.get(name) ?? { main, other, parity: new Parity(threshold) }
    this.#models.set(name, pair)
    return pair.parity
  }

  #countIfAlone({ main, other }: Entry): boolean {
    const only = main === null ? other : other === null ? main : null
    if (only === null) return false
    if (this.#isLeftOut(only)) this.byClock++
    else this.alone[main === null ? 'other' : 'main']++
    return true
  }

  #isLeftOut({ byClock }: OutputScore): boolean {
    return byClock && !this.#options.withByClock
  }
}

/**
 * Yields the chunks of two topics, always of the one further behind by the timestamps of its
 * records: an output has that of its event, so both outputs of an event come at about one time.
 */
export async function* inStep(
  readers: Readonly<Record<Side, AsyncIterable<Chunk>>>,
): AsyncGenerator<{ side: Side; chunk: Chunk }> {
  const behind = (side: Side) => ({
    side,
    chunks: readers[side][Symbol.asyncIterator](),
    atMs: Number.NEGATIVE_INFINITY,
  })
  const open = new Set(SIDES.map(behind))
  while (open.size > 0) {
    const next = [...open].reduce((a, b) => (b.atMs < a.atMs ? b : a))
    const { done, value: chunk } = await next.chunks.next()
    if (done === true) {
      open.delete(next)
      continue
    }
    const { records } = chunk
    if (records.length > 0) next.atMs = records.timestampMsAt(records.length - 1)
    yield { side: next.side, chunk }
  }
}
