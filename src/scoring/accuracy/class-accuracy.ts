import { isProbability, logLoss } from './log-loss.ts'

/** How far the probabilities of a row may be from 1 in total: they are sums of float32. */
const ROUNDING = 1e-3

/** How well the scores of several classes tell which one a row is of. */
export interface ClassResult {
  readonly task: 'classes'
  readonly rows: number
  readonly classes: readonly string[]
  /** Share of rows whose class has the highest score; of equal scores the first. */
  readonly accuracy: number
  /** Mean of F1 over the classes that are some row's, or are predicted for some. */
  readonly macroF1: number
  /**
   * Mean of −ln of the probability that was given to the row's class, clipped to 1e-15. `null`: the
   * scores of a row are no probabilities, between 0 and 1 and 1 in total.
   */
  readonly logLoss: number | null
  /** Rows by their class and then by the predicted one. */
  readonly confusion: readonly (readonly number[])[]
}

/** Collects scores of rows that are of one of several classes. */
export class ClassAccuracy {
  readonly #classes: readonly string[]
  readonly #confusion: readonly Float64Array[]
  #rows = 0
  #loss = 0
  #areProbabilities = true

  constructor(classes: readonly string[]) {
    this.#classes = classes
    this.#confusion = classes.map(() => new Float64Array(classes.length))
  }

  /**
   * @param scores one for each class, finite
   * @param of index of the row's class
   */
  add(scores: readonly number[], of: number): void {
    this.#rows++
    const predicted = scores.indexOf(Math.max(...scores))
    const counts = this.#confusion[of] as Float64Array
    counts[predicted] = (counts[predicted] as number) + 1
    this.#loss += logLoss(scores[of] as number)
    const total = scores.reduce((sum, score) => sum + score, 0)
    this.#areProbabilities &&= scores.every(isProbability) && Math.abs(total - 1) <= ROUNDING
  }

  get result(): ClassResult {
    const confusion = this.#confusion.map((counts) => [...counts])
    const right = this.#classes.reduce((sum, _, i) => sum + (confusion[i]?.[i] as number), 0)
    return {
      task: 'classes',
      rows: this.#rows,
      classes: this.#classes,
      accuracy: right / this.#rows,
      macroF1: macroF1(confusion),
      logLoss: this.#areProbabilities ? this.#loss / this.#rows : null,
      confusion,
    }
  }
}

function macroF1(confusion: readonly (readonly number[])[]): number {
  const scores = confusion.flatMap((own, i) => {
    const ofClass = own.reduce((sum, rows) => sum + rows, 0)
    const predicted = confusion.reduce((sum, rows) => sum + (rows[i] as number), 0)
    return ofClass + predicted === 0 ? [] : [(2 * (own[i] as number)) / (ofClass + predicted)]
  })
  return scores.reduce((sum, f1) => sum + f1, 0) / scores.length
}
