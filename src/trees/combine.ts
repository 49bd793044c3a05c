import type { Classes, Ensemble, Transform } from './ensemble.ts'
import { expOf } from './float-functions.ts'
import { NotRead } from './not-read.ts'
import { type Reached, reached } from './plain-trees.ts'

// Turns the sums of the trees for a row into its scores, as ONNX Runtime does it: number by number
// in float32 (onnxruntime/core/providers/cpu/ml/tree_ensemble_aggregator.h, ml_common.h).

const { fround } = Math

/**
 * Turns the trees' sums of one row, one for each target, into its scores, in place.
 *
 * @returns the index of the class; 0 for a regressor
 */
export type Combine = (sums: Float32Array) => number

/** How an ensemble combines its sums. @throws NotRead for ensembles that are not supported */
export function combineOf(ensemble: Ensemble): Combine {
  const { classes, targets, transform } = ensemble
  const reach = reached(ensemble)
  if (classes === null) return regressorOf(ensemble, reach)
  if (targets < 2) throw new NotRead('a classifier with one class')
  if (reach.includes('sometimes')) throw new NotRead('a class with a weight in only some leaves')
  if (targets === 2) return binaryOf(ensemble, classes, reach)
  return (sums) => {
    addBase(sums, ensemble.baseValues)
    const label = largestOf(
      sums,
      targets,
      (t) => reach[t] === 'always' || t < ensemble.baseValues.length,
    )
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
      const given = reach[t] === 'never' ? 0 : (sums[t] as number)
      const value = aggregate === 'average' ? fround(given / trees) : given
      sums[t] = hasBase ? value + (baseValues[t] as number) : value
    }
    // For a single target, ONNX Runtime applies no other transform.
    if (targets > 1) transformAll(transform, sums, targets)
    return 0
  }
}

/** Two classes. If the leaves have weights for one class only, both scores derive from it. */
function binaryOf(
  { baseValues, transform }: Ensemble,
  classes: Classes,
  reach: readonly Reached[],
): Combine {
  const [hasFirst, hasSecond] = reach.map((of) => of === 'always')
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

function addBase(sums: Float32Array, baseValues: readonly number[]): void {
  for (let t = 0; t < baseValues.length; t++) {
    sums[t] = (sums[t] as number) + (baseValues[t] as number)
  }
}

/** Index of the largest sum among the targets that count; the first of equal ones. */
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
  else if (transform === 'softmax-zero') softmaxZero(scores, count)
  else for (let t = 0; t < count; t++) scores[t] = logistic(scores[t] as number)
}

function logistic(score: number): number {
  const half = fround(1 / fround(1 + expOf(-Math.abs(score))))
  return score < 0 ? fround(1 - half) : half
}

function softmax(scores: Float32Array, count: number): void {
  const most = mostOf(scores, count)
  let sum = 0
  for (let t = 0; t < count; t++) {
    scores[t] = expOf(fround((scores[t] as number) - most))
    sum = fround(sum + (scores[t] as number))
  }
  for (let t = 0; t < count; t++) scores[t] = (scores[t] as number) / sum
}

/** SOFTMAX_ZERO leaves scores out of the sum whose size is at most this. */
const NEARLY_ZERO = fround(1e-7)

function softmaxZero(scores: Float32Array, count: number): void {
  const most = mostOf(scores, count)
  const ofZero = expOf(-most)
  let sum = 0
  for (let t = 0; t < count; t++) {
    const score = scores[t] as number
    if (Math.abs(score) > NEARLY_ZERO) {
      scores[t] = expOf(fround(score - most))
      sum = fround(sum + (scores[t] as number))
    } else scores[t] = score * ofZero
  }
  for (let t = 0; t < count; t++) scores[t] = (scores[t] as number) / sum
}

function mostOf(scores: Float32Array, count: number): number {
  let most = -LARGEST_FLOAT
  for (let t = 0; t < count; t++) most = Math.max(most, scores[t] as number)
  return most
}

const LARGEST_FLOAT = fround(3.4028234663852886e38)
