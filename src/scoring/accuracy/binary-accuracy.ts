import { auc } from './auc.ts'
import { GrowingNumbers } from './growing-numbers.ts'
import { isProbability, logLoss } from './log-loss.ts'

/** From this score on, a row is predicted to be positive. */
export const POSITIVE_FROM = 0.5
const BINS = 10

/** The rows whose scores are ≥ `from` and < `to`; in the last bin also those of 1. */
export interface CalibrationBin {
  readonly from: number
  readonly to: number
  readonly rows: number
  /** Mean of their scores; NaN without rows. */
  readonly meanScore: number
  /** Share of them that is positive; NaN without rows. */
  readonly positiveShare: number
}

/** What can be said of scores that are probabilities. */
export interface ProbabilityResult {
  /** Mean of −ln of the probability that was given to what happened, clipped to 1e-15. */
  readonly logLoss: number
  /** Share of rows that are predicted rightly, positive from 0.5 on. */
  readonly accuracy: number
  /** Mean square of the difference from 0 or 1. */
  readonly brier: number
  readonly calibration: readonly CalibrationBin[]
}

/** How well a score tells positive rows from negative ones. */
export interface BinaryResult {
  readonly task: 'binary'
  readonly rows: number
  readonly positives: number
  /** NaN when all rows are positive, or none is. */
  readonly auc: number
  /** `null`: a score is not between 0 and 1. */
  readonly probability: ProbabilityResult | null
}

/** Collects scores of rows that are positive or not. Takes 8 bytes a row. */
export class BinaryAccuracy {
  readonly #positives = new GrowingNumbers()
  readonly #negatives = new GrowingNumbers()
  readonly #probability = new ProbabilityAccuracy()
  #areProbabilities = true

  /** @param score finite */
  add(score: number, isPositive: boolean): void {
    const scores = isPositive ? this.#positives : this.#negatives
    scores.push(score)
    this.#areProbabilities &&= isProbability(score)
    if (this.#areProbabilities) this.#probability.add(score, isPositive)
  }

  get result(): BinaryResult {
    const positives = this.#positives.length
    return {
      task: 'binary',
      rows: positives + this.#negatives.length,
      positives,
      auc: auc(this.#positives.sorted(), this.#negatives.sorted()),
      probability: this.#areProbabilities ? this.#probability.result : null,
    }
  }
}

class ProbabilityAccuracy {
  readonly #rows = new Float64Array(BINS)
  readonly #scores = new Float64Array(BINS)
  readonly #positives = new Float64Array(BINS)
  #count = 0
  #loss = 0
  #right = 0
  #squares = 0

  add(score: number, isPositive: boolean): void {
    this.#count++
    this.#loss += logLoss(isPositive ? score : 1 - score)
    if (score >= POSITIVE_FROM === isPositive) this.#right++
    this.#squares += (score - Number(isPositive)) ** 2
    const bin = Math.min(Math.floor(score * BINS), BINS - 1)
    this.#rows[bin] = (this.#rows[bin] as number) + 1
    this.#scores[bin] = (this.#scores[bin] as number) + score
    if (isPositive) this.#positives[bin] = (this.#positives[bin] as number) + 1
  }

  get result(): ProbabilityResult {
    return {
      logLoss: this.#loss / this.#count,
      accuracy: this.#right / this.#count,
      brier: this.#squares / this.#count,
      calibration: Array.from(this.#rows, (rows, bin) => ({
        from: bin / BINS,
        to: (bin + 1) / BINS,
        rows,
        meanScore: (this.#scores[bin] as number) / rows,
        positiveShare: (this.#positives[bin] as number) / rows,
      })),
    }
  }
}
