import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  auc,
  BinaryAccuracy,
  ClassAccuracy,
  RegressionAccuracy,
} from '../../../src/scoring/accuracy/measures.ts'

interface Expected {
  readonly binary: {
    readonly scores: readonly number[]
    readonly labels: readonly number[]
    readonly auc: number
    readonly logLoss: number
    readonly brier: number
    readonly accuracy: number
    readonly calibration: {
      readonly meanScore: readonly number[]
      readonly positiveShare: readonly number[]
    }
  }
  readonly classes: {
    readonly classes: readonly string[]
    readonly scores: readonly (readonly number[])[]
    readonly labels: readonly number[]
    readonly accuracy: number
    readonly macroF1: number
    readonly logLoss: number
    readonly confusion: readonly (readonly number[])[]
  }
  readonly regression: {
    readonly scores: readonly number[]
    readonly labels: readonly number[]
    readonly mae: number
    readonly rmse: number
    readonly r2: number
  }
}

const expected = JSON.parse(
  readFileSync('test/fixtures/accuracy/expected.json', 'utf8'),
) as Expected

describe('what scikit-learn says', () => {
  test('of a binary model', () => {
    const { scores, labels, calibration, ...numbers } = expected.binary
    const accuracy = new BinaryAccuracy()
    for (const [i, score] of scores.entries()) accuracy.add(score, labels[i] === 1)
    const { probability, ...result } = accuracy.result
    expect(result.rows).toBe(scores.length)
    expect(result.positives).toBe(labels.filter((label) => label === 1).length)
    expect(result.auc).toBeCloseTo(numbers.auc, 12)
    // It takes 1 − (1 − 1e-15) for 1e-15.
    expect(probability?.logLoss).toBeCloseTo(numbers.logLoss, 5)
    expect(probability?.brier).toBeCloseTo(numbers.brier, 12)
    expect(probability?.accuracy).toBeCloseTo(numbers.accuracy, 12)
    const bins = probability?.calibration.filter(({ rows }) => rows > 0) ?? []
    expect(bins).toHaveLength(calibration.meanScore.length)
    for (const [i, { meanScore, positiveShare }] of bins.entries()) {
      expect(meanScore).toBeCloseTo(calibration.meanScore[i] as number, 8)
      expect(positiveShare).toBeCloseTo(calibration.positiveShare[i] as number, 12)
    }
  })

  test('of a model of several classes, one of which no row has', () => {
    const { classes, scores, labels, confusion, ...numbers } = expected.classes
    const accuracy = new ClassAccuracy(classes)
    for (const [i, row] of scores.entries()) accuracy.add(row, labels[i])
    const { result } = accuracy
    expect(result.accuracy).toBeCloseTo(numbers.accuracy, 12)
    expect(result.macroF1).toBeCloseTo(numbers.macroF1, 12)
    expect(result.logLoss).toBeCloseTo(numbers.logLoss, 12)
    expect(result.confusion).toEqual(confusion)
  })

  test('of a regression', () => {
    const { scores, labels, ...numbers } = expected.regression
    const accuracy = new RegressionAccuracy()
    for (const [i, score] of scores.entries()) accuracy.add(score, labels[i] as number)
    const { mae, rmse, r2 } = accuracy.result
    expect(mae).toBeCloseTo(numbers.mae, 9)
    expect(rmse).toBeCloseTo(numbers.rmse, 9)
    expect(r2).toBeCloseTo(numbers.r2, 9)
  })
})

const few = fc.integer({ min: -3, max: 3 })
const many = fc.double({ noNaN: true, noDefaultInfinity: true })
const scores = fc.array(fc.oneof(few, many), { maxLength: 60 })
const ascending = (xs: readonly number[]) => Float64Array.from(xs).sort()

test('the area under the curve is the share of pairs that are in order, ties as half', () => {
  fc.assert(
    fc.property(scores, scores, (positives, negatives) => {
      let above = 0
      for (const p of positives) {
        for (const n of negatives) above += p > n ? 1 : p === n ? 0.5 : 0
      }
      const naive = above / (positives.length * negatives.length)
      expect(auc(ascending(positives), ascending(negatives))).toBe(naive)
    }),
  )
})

test('a list of scores may be longer than its first room', () => {
  const accuracy = new BinaryAccuracy()
  for (let i = 0; i < 5_000; i++) accuracy.add(i / 5_000, i >= 2_500)
  expect(accuracy.result).toMatchObject({ rows: 5_000, positives: 2_500, auc: 1 })
})

test('of scores that are no probabilities only their order is judged', () => {
  const accuracy = new BinaryAccuracy()
  accuracy.add(0.5, false)
  accuracy.add(7, true)
  accuracy.add(0.25, true)
  expect(accuracy.result).toMatchObject({ auc: 0.5, probability: null })
})

test('without positive rows there is no area under the curve', () => {
  const accuracy = new BinaryAccuracy()
  accuracy.add(0.5, false)
  expect(accuracy.result.auc).toBeNaN()
})

test.each([[[2, -1]], [[0.9, 0.9]]])(
  'classes with scores %j have no log loss, and an accuracy',
  (row) => {
    const accuracy = new ClassAccuracy(['a', 'b'])
    accuracy.add(row, 0)
    expect(accuracy.result).toMatchObject({ logLoss: null, accuracy: 1 })
  },
)

test('a regression of labels that are all equal explains none of their variance', () => {
  const accuracy = new RegressionAccuracy()
  accuracy.add(1, 2)
  accuracy.add(3, 2)
  expect(accuracy.result).toMatchObject({ mae: 1, rmse: 1, r2: Number.NaN })
})
