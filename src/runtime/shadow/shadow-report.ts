import type { Clock } from '../../kernel/clock.ts'
import { Agreement } from '../../scoring/agreement.ts'
import type { Observer, ShadowLabels } from '../events.ts'

/** How often the agreement is told at most, ms. */
const TELL_EVERY_MS = 1_000

/** What became of some rows. */
interface RowCounts {
  readonly scored: number
  readonly failed: number
  readonly dropped: number
}

/** What a {@link ShadowReport} works with. */
interface ReportOptions {
  readonly labels: ShadowLabels
  readonly observer: Observer
  readonly clock: Clock
}

/** Tells what a shadow does, and how far it agrees with the scores that are published. */
export class ShadowReport {
  readonly #o: ReportOptions
  readonly #agreement = new Agreement(null)
  /** Cancels the next telling of the agreement; `null`: nothing is untold. */
  #cancel: (() => void) | null = null

  constructor(options: ReportOptions) {
    this.#o = options
  }

  rows(counts: RowCounts): void {
    const { scored, failed, dropped } = counts
    if (scored + failed + dropped === 0) return
    this.#o.observer({ type: 'shadow-rows', ...this.#o.labels, ...counts })
  }

  /** @param main the published scores @param own the shadow's, in the same order */
  compare(main: Float64Array, own: Float64Array): void {
    if (own.length === 0) return
    this.#agreement.add(main, own, own.length)
    this.#cancel ??= this.#o.clock.after(TELL_EVERY_MS, () => this.tell())
  }

  outputs(written: number, dropped: number): void {
    this.#o.observer({ type: 'shadow-outputs', ...this.#o.labels, written, dropped })
  }

  /** The outputs cannot be written; `null`: they can again. */
  unwritten(reason: string | null): void {
    this.#o.observer({ type: 'shadow-unwritten', ...this.#o.labels, reason })
  }

  /** It scores nothing until the worker starts again. */
  off(reason: string): void {
    this.#o.observer({ type: 'shadow-off', ...this.#o.labels, reason })
  }

  /** Tells the agreement now, if it has changed. */
  tell(): void {
    if (this.#cancel === null) return
    this.#cancel()
    this.#cancel = null
    const { labels, observer } = this.#o
    const { pairs, meanDifference, meanAbsoluteDifference, ...more } = this.#agreement.result
    const means = { mean: meanDifference, absoluteMean: meanAbsoluteDifference }
    observer({
      type: 'shadow-agreement',
      ...labels,
      pairs,
      difference: { ...means, ...more.quantiles },
      psi: more.psi?.value ?? null,
    })
  }
}
