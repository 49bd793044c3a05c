import {
  type Classes,
  type Ensemble,
  type Leaf,
  leavesOf,
  NotRead,
  type Transform,
} from './ensemble.ts'
import { expOf } from './float32.ts'
import type { Column, RowStep, TreeModel } from './recognise.ts'
import { SUMS } from './sums-wasm.ts'
import { tablesOf } from './tables.ts'

const { fround } = Math
const PAGE_BYTES = 65_536

/** The used part of WebAssembly, which Node's types lack and which may be switched off. */
interface WebAssembly {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { buffer: ArrayBuffer }
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { exports: Compiled }
}

interface Compiled {
  readonly sums: (count: number) => void
}

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly?: WebAssembly }
let module: object | null = null

/** The most rows of a call. */
const ROWS = 1_024

export class TreeSums {
  readonly #compiled: Compiled
  readonly #rows: Float32Array
  readonly #sums: Float32Array

  /** @throws NotRead without WebAssembly, and as {@link tablesOf} does */
  constructor(ensemble: Ensemble, features: number) {
    if (wasm === undefined) throw new NotRead('WebAssembly is switched off')
    const { bytes, rowsAt, givenAt, end } = tablesOf(ensemble, { features, rows: ROWS })
    // The memory never grows: that would make all typed arrays of the process a little slower.
    const pages = Math.ceil(end / PAGE_BYTES)
    const memory = new wasm.Memory({ initial: pages, maximum: pages })
    new Uint8Array(memory.buffer).set(bytes)
    this.#rows = new Float32Array(memory.buffer, rowsAt, ROWS * features)
    this.#sums = new Float32Array(memory.buffer, givenAt, ROWS * ensemble.targets)
    module ??= new wasm.Module(Buffer.from(SUMS, 'base64'))
    this.#compiled = new wasm.Instance(module, { env: { memory } }).exports
  }

  /**
   * @returns row-major float32[count, targets], until the next call @param count up to {@link ROWS}
   */
  compute(rows: Float32Array, count: number): Float32Array {
    this.#rows.set(rows)
    this.#compiled.sums(count)
    return this.#sums
  }
}

export class TreeEvaluator {
  readonly #model: TreeModel
  readonly #width: number
  readonly #sums: TreeSums
  readonly #combine: Combine
  readonly #labels: Float64Array
  /** The rows as the trees see them; `null`: they see them unchanged. */
  readonly #prepared: Float32Array | null
  readonly #scores: Float32Array

  /** @param width features of a row @throws NotRead */
  constructor(model: TreeModel, width: number) {
    const { ensemble, features, steps } = model
    this.#model = model
    this.#width = width
    this.#sums = new TreeSums(ensemble, features.length)
    this.#combine = combineOf(ensemble)
    const { classes, targets } = ensemble
    this.#labels = Float64Array.from(classes?.labels ?? new Float64Array(targets))
    const isUnchanged =
      steps.length === 0 && features.length === width && features.every((f, i) => f === i)
    this.#prepared = isUnchanged ? null : new Float32Array(ROWS * features.length)
    this.#scores = new Float32Array(Math.max(2, targets))
  }

  /** One array for each of the model's columns: scores as float32, labels as integers. */
  run(rows: Float32Array, count: number): Float64Array[] {
    const { columns } = this.#model
    const numbers = columns.map(() => new Float64Array(count))
    for (let from = 0; from < count; from += ROWS) {
      const upTo = Math.min(count, from + ROWS)
      const size = upTo - from
      const some = rows.subarray(from * this.#width, upTo * this.#width)
      const sums = this.#sums.compute(this.#prepare(some, size), size)
      const { targets } = this.#model.ensemble
      for (let row = from; row < upTo; row++) {
        const at = (row - from) * targets
        for (let t = 0; t < targets; t++) this.#scores[t] = sums[at + t] as number
        this.#write(numbers, row)
      }
    }
    return numbers
  }

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

  #prepare(rows: Float32Array, count: number): Float32Array {
    const prepared = this.#prepared
    if (prepared === null) return rows
    const { features, steps } = this.#model
    const width = features.length
    for (let row = 0; row < count; row++) {
      for (let f = 0; f < width; f++) {
        prepared[row * width + f] = rows[row * this.#width + (features[f] as number)] as number
      }
      const preparedRow = prepared.subarray(row * width, (row + 1) * width)
      for (const step of steps) applyStep(step, preparedRow)
    }
    return prepared.subarray(0, count * width)
  }
}

function multiplied(score: number, factors: readonly number[]): number {
  let product = score
  for (const factor of factors) product = fround(product * factor)
  return product
}

function applyStep(step: RowStep, row: Float32Array): void {
  for (let f = 0; f < row.length; f++) {
    const x = row[f] as number
    if (step.does === 'scale') {
      row[f] = fround(x - (step.offsets[f] as number)) * (step.factors[f] as number)
    } else if (Number.isNaN(step.replaced) ? Number.isNaN(x) : x === step.replaced) {
      row[f] = step.by[f] as number
    }
  }
}

// Sums become scores as in ONNX Runtime, number by number in float32
// (onnxruntime/core/providers/cpu/ml/tree_ensemble_aggregator.h, ml_common.h).

/** Turns a row's sums into its scores, in place. @returns the index of the class; 0: a regressor */
type Combine = (sums: Float32Array) => number

function combineOf(ensemble: Ensemble): Combine {
  const { baseValues, classes, targets, transform } = ensemble
  const reach = reached(ensemble)
  if (classes === null) return regressorOf(ensemble, reach)
  if (targets < 2) throw new NotRead('a classifier with one class')
  if (reach.includes('sometimes')) throw new NotRead('a class with a weight in only some leaves')
  if (targets === 2) return binaryOf(ensemble, classes, reach)
  return (sums) => {
    for (let t = 0; t < baseValues.length; t++) {
      sums[t] = (sums[t] as number) + (baseValues[t] as number)
    }
    const label = largestOf(sums, targets, (t) => reach[t] === 'always' || t < baseValues.length)
    transformAll(transform, sums, targets)
    return label
  }
}

function regressorOf(ensemble: Ensemble, reach: readonly Reached[]): Combine {
  const { aggregate, baseValues, targets, transform } = ensemble
  const trees = ensemble.trees.length
  const hasBase = baseValues.length === targets
  return (sums) => {
    for (let t = 0; t < targets; t++) {
      const sum = reach[t] === 'never' ? 0 : (sums[t] as number)
      const value = aggregate === 'average' ? fround(sum / trees) : sum
      sums[t] = hasBase ? value + (baseValues[t] as number) : value
    }
    // ONNX Runtime transforms a single target no further.
    if (targets > 1) transformAll(transform, sums, targets)
    return 0
  }
}

/** Two classes. With weights for one class only, both scores derive from its sum. */
function binaryOf(
  { baseValues, transform }: Ensemble,
  classes: Classes,
  reach: readonly Reached[],
): Combine {
  const [hasFirst, hasSecond] = reach.map((extent) => extent === 'always')
  if (baseValues.length > 1) throw new NotRead('base values for two classes')
  const { isBinary, areAllPositive } = classes
  const first = baseValues[0] ?? 0
  const threshold = isBinary && areAllPositive ? 0.5 : 0
  if (hasSecond) {
    return (sums) => {
      sums[0] = (hasFirst ? (sums[0] as number) : 0) + first
      const label = (sums[1] as number) > threshold ? 1 : 0
      transformAll(transform, sums, 2)
      return label
    }
  }
  if (!isBinary) throw new NotRead('two classes without a weight in any leaf')
  return (sums) => {
    const score = fround((sums[0] as number) + first)
    const label = score > threshold ? 1 : 0
    if (areAllPositive) {
      sums[0] = 1 - score
      sums[1] = score
    } else if (transform === 'logistic') {
      sums[0] = logistic(-score)
      sums[1] = logistic(score)
    } else {
      sums[0] = label === 1 ? -score : score
      sums[1] = label === 1 ? score : -score
    }
    return label
  }
}

/** The first of equal sums counts. */
function largestOf(sums: Float32Array, count: number, counts: (target: number) => boolean): number {
  let largest = -1
  for (let t = 0; t < count; t++) {
    if (!counts(t)) continue
    if (largest === -1 || (sums[t] as number) > (sums[largest] as number)) largest = t
  }
  return Math.max(0, largest)
}

function transformAll(transform: Transform, scores: Float32Array, count: number): void {
  if (transform === 'none') return
  if (transform === 'softmax') softmax(scores, count)
  else for (let t = 0; t < count; t++) scores[t] = logistic(scores[t] as number)
}

function logistic(score: number): number {
  const half = fround(1 / fround(1 + expOf(-Math.abs(score))))
  return score < 0 ? fround(1 - half) : half
}

export function softmax(scores: Float32Array, count: number): void {
  const most = mostOf(scores, count)
  let sum = 0
  for (let t = 0; t < count; t++) {
    scores[t] = expOf(fround((scores[t] as number) - most))
    sum = fround(sum + (scores[t] as number))
  }
  for (let t = 0; t < count; t++) scores[t] = (scores[t] as number) / sum
}

function mostOf(scores: Float32Array, count: number): number {
  let most = -LARGEST_FLOAT
  for (let t = 0; t < count; t++) most = Math.max(most, scores[t] as number)
  return most
}

const LARGEST_FLOAT = fround(3.4028234663852886e38)

/**
 * `always`: some tree has a weight for the target in each leaf; `sometimes`: it depends on the row.
 */
type Reached = 'always' | 'sometimes' | 'never'

function reached({ trees, targets }: Ensemble): readonly Reached[] {
  const leaves = trees.map(leavesOf)
  return Array.from({ length: targets }, (_, target) => {
    const hasWeight = ({ weights }: Leaf) => weights.some((weight) => weight.target === target)
    if (leaves.some((treeLeaves) => treeLeaves.every(hasWeight))) return 'always'
    return leaves.some((treeLeaves) => treeLeaves.some(hasWeight)) ? 'sometimes' : 'never'
  })
}
