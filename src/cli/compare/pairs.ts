import { Agreement } from '../../scoring/agreement.ts'
import type { Scored, ScoredOutput } from './scored-output.ts'

/** The two topics that are compared. */
export const SIDES = ['main', 'other'] as const
/** One of {@link SIDES}. */
export type Side = (typeof SIDES)[number]

/** How outputs are paired. */
export interface PairOptions {
  /** The most causes that are remembered. */
  readonly mostPending: number
  /** Are outputs compared that the wall clock has decided? */
  readonly withByClock: boolean
  /** From which on a score is positive. */
  readonly threshold: number
}

/** The agreement of two models, as `tidemark-model` names them. */
export interface ModelPair {
  readonly main: string
  readonly other: string
  readonly agreement: Agreement
}

type Entry = Record<Side, Scored | null>

/**
 * Pairs the outputs of two topics by what caused them, and compares their scores. Of several
 * outputs with one cause the first counts. A cause is remembered, also after its pair is complete,
 * until too many newer ones have come.
 */
export class Pairs {
  readonly #options: PairOptions
  /** By cause. */
  readonly #entries = new Map<string, Entry>()
  /**
   * The causes in a ring, each in the place of the oldest. A map has an order, too, but V8 takes
   * longer to find its first entry the more of those before it were deleted.
   */
  readonly #ring: string[] = []
  #causes = 0
  readonly #models = new Map<string, ModelPair>()
  /** Outputs whose cause had one on that side already. */
  readonly twice: Record<Side, number> = { main: 0, other: 0 }
  /** Outputs without one on the other side, of those that are no longer remembered. */
  readonly alone: Record<Side, number> = { main: 0, other: 0 }
  #count = 0
  #byClock = 0
  #givenUp = 0

  constructor(options: PairOptions) {
    this.#options = options
  }

  /** Pairs that were compared. */
  get count(): number {
    return this.#count
  }

  /** Pairs, and outputs that are alone, that were left out, since the wall clock decided them. */
  get byClock(): number {
    return this.#byClock
  }

  /** How many of those that are alone were forgotten before both topics had been read. */
  get givenUp(): number {
    return this.#givenUp
  }

  /** Outputs whose other one may still come. */
  get waiting(): number {
    let waiting = 0
    for (const { main, other } of this.#entries.values()) {
      if (main === null || other === null) waiting++
    }
    return waiting
  }

  /** The models that were compared, in the order in which they came. */
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

  /** Counts the outputs that are alone. Call it when both topics have been read. */
  end(): void {
    for (const entry of this.#entries.values()) this.#isAlone(entry)
    this.#entries.clear()
  }

  #entryOf(cause: string): Entry {
    const known = this.#entries.get(cause)
    if (known !== undefined) return known
    const place = this.#causes++ % this.#options.mostPending
    const oldest = this.#ring[place]
    if (oldest !== undefined) this.#forget(oldest)
    this.#ring[place] = cause
    const entry = { main: null, other: null }
    this.#entries.set(cause, entry)
    return entry
  }

  #forget(cause: string): void {
    if (this.#isAlone(this.#entries.get(cause) as Entry)) this.#givenUp++
    this.#entries.delete(cause)
  }

  #compare(main: Scored, other: Scored): void {
    if (this.#isLeftOut(main) || this.#isLeftOut(other)) {
      this.#byClock++
      return
    }
    this.#count++
    this.#agreementOf(main.model, other.model).add([main.score], [other.score], 1)
  }

  #agreementOf(main: string, other: string): Agreement {
    const name = `${main}\n${other}`
    const known = this.#models.get(name)
    if (known !== undefined) return known.agreement
    const agreement = new Agreement(this.#options.threshold)
    this.#models.set(name, { main, other, agreement })
    return agreement
  }

  /** Counts an entry that has one side only. */
  #isAlone({ main, other }: Entry): boolean {
    const only = main === null ? other : other === null ? main : null
    if (only === null) return false
    if (this.#isLeftOut(only)) this.#byClock++
    else this.alone[main === null ? 'other' : 'main']++
    return true
  }

  #isLeftOut({ byClock }: Scored): boolean {
    return byClock && !this.#options.withByClock
  }
}
