/** Bound of probabilities, so that 0 for the true outcome costs 34.5 and not infinity. */
const LEAST_PROBABILITY = 1e-15

/** The cost of a prediction: −ln of the probability that it gave to the true outcome. */
function logLoss(probability: number): number {
  return -Math.log(Math.min(Math.max(probability, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY))
}

function isProbability(score: number): boolean {
  return score >= 0 && score <= 1
}

/**
 * The area under the ROC curve, exact; equal scores count as half. NaN when all rows are positive,
 * or none is. Both arrays ascend. Mann and Whitney (1947); Hanley and McNeil (1982).
 */
export function auc(positives: Float64Array, negatives: Float64Array): number {
  let above = 0
  let lower = 0
  let notHigher = 0
  for (const score of positives) {
    while (lower < negatives.length && (negatives[lower] as number) < score) lower++
    notHigher = Math.max(notHigher, lower)
    while (notHigher < negatives.length && (negatives[notHigher] as number) === score) notHigher++
    above += (lower + notHigher) / 2
  }
  return above / (positives.length * negatives.length)
}

export const POSITIVE_FROM = 0.5
const BINS = 10

/** Measures scores of rows that are positive or not, in 8 bytes a row. */
export class BinaryAccuracy {
  readonly #positives: number[] = []
  readonly #negatives: number[] = []
  readonly #probability = new ProbabilityAccuracy()
  #areProbabilities = true

  add(score: number, isPositive: boolean): void {
    const scores = isPositive ? this.#positives : this.#negatives
    scores.push(score)
    this.#areProbabilities &&= isProbability(score)
    if (this.#areProbabilities) this.#probability.add(score, isPositive)
  }

  get result() {
    const positives = this.#positives.length
    return {
      task: 'binary' as const,
      rows: positives + this.#negatives.length,
      positives,
      /** NaN when all rows are positive, or none is. */
      auc: auc(sorted(this.#positives), sorted(this.#negatives)),
      /** `null`: a score is not between 0 and 1. */
      probability: this.#areProbabilities ? this.#probability.result : null,
    }
  }
}

export type BinaryResult = BinaryAccuracy['result']

function sorted(scores: readonly number[]): Float64Array {
  return Float64Array.from(scores).sort()
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

  get result() {
    return {
      logLoss: this.#loss / this.#count,
      accuracy: this.#right / this.#count,
      brier: this.#squares / this.#count,
      /** Rows with scores ≥ `from` and < `to`; the last bin includes 1. */
      calibration: Array.from(this.#rows, (rows, bin) => ({
        from: bin / BINS,
        to: (bin + 1) / BINS,
        rows,
        /** NaN without rows. */
        meanScore: (this.#scores[bin] as number) / rows,
        positiveShare: (this.#positives[bin] as number) / rows,
      })),
    }
  }
}

export type ProbabilityResult = ProbabilityAccuracy['result']
export type CalibrationBin = ProbabilityResult['calibration'][number]

/** How far the probabilities of a row may be from 1 in total, because they are float32. */
const ROUNDING = 1e-3

export class ClassAccuracy {
  readonly #classes: readonly string[]
  readonly #confusion: readonly Float64Array[]
  readonly notes: readonly string[] = []
  #rows = 0
  #loss = 0
  #areProbabilities = true

  constructor(classes: readonly string[]) {
    this.#classes = classes
    this.#confusion = classes.map(() => new Float64Array(classes.length))
  }

  labelFault(label: unknown): string | null {
    if (this.#indexOf(label) >= 0) return null
    return `is neither one of ${this.#classes.join(', ')} nor an index from 0 to ${this.#classes.length - 1}`
  }

  /** @param scores one for each class, finite @param label a class's name or index */
  add(scores: readonly number[], label: unknown): void {
    const classIndex = this.#indexOf(label)
    this.#rows++
    const predicted = scores.indexOf(Math.max(...scores))
    const counts = this.#confusion[classIndex] as Float64Array
    counts[predicted] = (counts[predicted] as number) + 1
    this.#loss += logLoss(scores[classIndex] as number)
    const total = scores.reduce((sum, score) => sum + score, 0)
    this.#areProbabilities &&= scores.every(isProbability) && Math.abs(total - 1) <= ROUNDING
  }

  get result() {
    const confusion = this.#confusion.map((counts) => [...counts])
    const right = this.#classes.reduce((sum, _, i) => sum + (confusion[i]?.[i] as number), 0)
    return {
      task: 'classes' as const,
      rows: this.#rows,
      classes: this.#classes,
      accuracy: right / this.#rows,
      /** Mean of F1 over the classes that occur or are predicted. */
      macroF1: macroF1(confusion),
      /** Mean of {@link logLoss}; `null`: scores are not between 0 and 1, or not 1 in total. */
      logLoss: this.#areProbabilities ? this.#loss / this.#rows : null,
      confusion,
    }
  }

  /** @returns −1 if the label names no class */
  #indexOf(label: unknown): number {
    if (typeof label === 'string') return this.#classes.indexOf(label)
    return Number.isInteger(label) && this.#classes[label as number] !== undefined
      ? (label as number)
      : -1
  }
}

export type ClassResult = ClassAccuracy['result']

function macroF1(confusion: readonly (readonly number[])[]): number {
  const scores = confusion.flatMap((counts, i) => {
    const ofClass = counts.reduce((sum, rows) => sum + rows, 0)
    const predicted = confusion.reduce((sum, rows) => sum + (rows[i] as number), 0)
    return ofClass + predicted === 0 ? [] : [(2 * (counts[i] as number)) / (ofClass + predicted)]
  })
  return scores.reduce((sum, f1) => sum + f1, 0) / scores.length
}

export class RegressionAccuracy {
  #rows = 0
  #absolute = 0
  #squares = 0
  #mean = 0
  /** Sum of the squared distances of the labels from their mean: Welford (1962). */
  #spread = 0

  add(score: number, label: number): void {
    this.#rows++
    const error = score - label
    this.#absolute += Math.abs(error)
    this.#squares += error * error
    const distance = label - this.#mean
    this.#mean += distance / this.#rows
    this.#spread += distance * (label - this.#mean)
  }

  get result() {
    return {
      task: 'regression' as const,
      rows: this.#rows,
      mae: this.#absolute / this.#rows,
      rmse: Math.sqrt(this.#squares / this.#rows),
      /** Share of the labels' variance that the scores explain; NaN when all labels are equal. */
      r2: this.#spread === 0 ? Number.NaN : 1 - this.#squares / this.#spread,
    }
  }
}

export type RegressionResult = RegressionAccuracy['result']
