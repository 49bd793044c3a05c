import { sumsOf } from './bit-vectors.ts'
import { type Combine, combineOf } from './combine.ts'
import type { Ensemble } from './ensemble.ts'
import { ROWS, type Sums } from './plain-trees.ts'
import type { Column, Step, TreeModel } from './recognise.ts'

const { fround } = Math

/** Computes a recognised model on this thread. */
export class TreeEvaluator {
  readonly #model: TreeModel
  readonly #width: number
  readonly #sums: Sums
  readonly #combine: Combine
  readonly #labels: Float64Array
  /** Buffer for the rows as the trees see them; `null`: they see the rows unchanged. */
  readonly #prepared: Float32Array | null
  /** Of the current row. */
  readonly #scores: Float32Array

  /** `width`: features of the model's rows. @throws NotRead with what is not supported */
  constructor(model: TreeModel, width: number) {
    const { ensemble, features, steps } = model
    this.#model = model
    this.#width = width
    this.#sums = sumsOf(ensemble, features.length)
    this.#combine = combineOf(ensemble)
    this.#labels = labelsOf(ensemble)
    const isUnchanged =
      steps.length === 0 && features.length === width && features.every((f, i) => f === i)
    this.#prepared = isUnchanged ? null : new Float32Array(ROWS * features.length)
    this.#scores = new Float32Array(Math.max(2, ensemble.targets))
  }

  /**
   * The numbers of the model's columns, one array for each: scores as float32, labels as integers.
   * `rows`: row-major float32[count, width].
   */
  run(rows: Float32Array, count: number): Float64Array[] {
    const { columns } = this.#model
    const numbers = columns.map(() => new Float64Array(count))
    for (let from = 0; from < count; from += ROWS) {
      const upTo = Math.min(count, from + ROWS)
      const prepared = this.#prepare(
        rows.subarray(from * this.#width, upTo * this.#width),
        upTo - from,
      )
      const sums = this.#sums.of(prepared, upTo - from)
      const { targets } = this.#model.ensemble
      for (let row = from; row < upTo; row++) {
        const at = (row - from) * targets
        for (let t = 0; t < targets; t++) this.#scores[t] = sums[at + t] as number
        this.#write(numbers, row)
      }
    }
    return numbers
  }

  /** Writes the numbers of the current row. */
  #write(into: readonly Float64Array[], row: number): void {
    const { columns } = this.#model
    const scores = this.#scores
    const label = this.#combine(scores)
    for (let c = 0; c < columns.length; c++) {
      const column = columns[c] as Column
      const numbers = into[c] as Float64Array
      if (column.is === 'label') numbers[row] = this.#labels[label] as number
      else numbers[row] = multiplied(scores[column.score] as number, column.factors)
    }
  }

  /** The rows as the trees see them. */
  #prepare(rows: Float32Array, count: number): Float32Array {
    const prepared = this.#prepared
    if (prepared === null) return rows
    const { features, steps } = this.#model
    const width = features.length
    for (let row = 0; row < count; row++) {
      for (let f = 0; f < width; f++) {
        prepared[row * width + f] = rows[row * this.#width + (features[f] as number)] as number
      }
      const own = prepared.subarray(row * width, (row + 1) * width)
      for (const step of steps) applyStep(step, own)
    }
    return prepared.subarray(0, count * width)
  }
}

function labelsOf({ classes, targets }: Ensemble): Float64Array {
  return Float64Array.from(classes?.labels ?? Array.from({ length: targets }, () => 0))
}

function multiplied(score: number, factors: readonly number[]): number {
  let product = score
  for (const factor of factors) product = fround(product * factor)
  return product
}

function applyStep(step: Step, row: Float32Array): void {
  for (let f = 0; f < row.length; f++) {
    const x = row[f] as number
    if (step.does === 'scale') {
      row[f] = fround(x - (step.offsets[f] as number)) * (step.factors[f] as number)
    } else if (Number.isNaN(step.replaced) ? Number.isNaN(x) : x === step.replaced) {
      row[f] = step.by[f] as number
    }
  }
}
