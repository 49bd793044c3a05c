import { describe, expect, test } from 'vitest'
import {
  type EvaluationTask,
  evaluatedOutput,
  evaluatorOf,
} from '../../../src/scoring/accuracy/evaluation.ts'

const one = { outputs: { probability: { tensor: 'p', column: 1 } } } as const
const several = {
  outputs: {
    risk: { tensor: 'r', columns: ['low', 'mid', 'high'] },
    label: { tensor: 'l', column: 0 },
  },
} as const

const number = { name: 'probability', columns: [0], classes: null }
const classes = { name: 'risk', columns: [0, 1, 2], classes: ['low', 'mid', 'high'] }

describe('the output that is evaluated', () => {
  test('is the only one where none is named', () => {
    expect(evaluatedOutput(one, null)).toEqual(number)
    expect(evaluatedOutput({ outputs: { risk: several.outputs.risk } }, null)).toEqual(classes)
  })

  test('is an output or one of its columns', () => {
    expect(evaluatedOutput(several, 'risk')).toEqual(classes)
    expect(evaluatedOutput(several, 'label')).toEqual({
      ...{ name: 'label', columns: [3], classes: null },
    })
    expect(evaluatedOutput(several, 'risk.high')).toEqual({
      ...{ name: 'risk.high', columns: [2], classes: null },
    })
  })

  test.each([
    [null, 'the model has 2 outputs'],
    ['score', 'the model has no output "score"'],
  ])('%s of several is refused with their names', (wanted, message) => {
    const hint = 'choose one with --output: risk, label, risk.low, risk.mid, risk.high'
    expect(() => evaluatedOutput(several, wanted)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message, hint }),
    )
  })
})

function resultOf(labels: readonly unknown[], task: EvaluationTask | null) {
  const evaluator = evaluatorOf(number, task)
  for (const label of labels) evaluator.add([0.5], label)
  return evaluator.result
}

describe('the task', () => {
  test('of one number is binary while every label is 0, 1, true or false, else regression', () => {
    expect(resultOf([0, 1, true, false], null)).toMatchObject({ task: 'binary', positives: 2 })
    expect(resultOf([0, 1, 2], null)).toMatchObject({ task: 'regression', rows: 3 })
    expect(resultOf([0, 1], 'regression')).toMatchObject({ task: 'regression', mae: 0.5 })
  })

  test('is told where a few stray labels make it a regression', () => {
    const notesOf = (labels: readonly unknown[], task: EvaluationTask | null) => {
      const evaluator = evaluatorOf(number, task)
      for (const label of labels) evaluator.add([0.5], label)
      return evaluator.notes
    }
    expect(notesOf([0, 1, 1, 7], null)).toEqual([
      'measured as a regression, since 1 of 4 labels are neither 0 nor 1, such as 7: --task binary refuses them',
    ])
    for (const labels of [
      [0, 1],
      [0.5, 2, 3, 1],
    ])
      expect(notesOf(labels, null)).toEqual([])
    expect(notesOf([0, 1, 1, 7], 'regression')).toEqual([])
  })

  test('of several columns is to find the class, by its name or its index', () => {
    const evaluator = evaluatorOf(classes, null)
    evaluator.add([0.1, 0.2, 0.7], 'high')
    evaluator.add([0.1, 0.2, 0.7], 1)
    const confusion = [
      [0, 0, 0],
      [0, 0, 1],
      [0, 0, 1],
    ]
    expect(evaluator.result).toMatchObject({ task: 'classes', accuracy: 0.5, confusion })
  })

  test('must suit the output', () => {
    expect(() => evaluatorOf(number, 'classes')).toThrow(
      'output "probability" is one number, which does not suit --task classes',
    )
    expect(() => evaluatorOf(classes, 'binary')).toThrow(
      expect.objectContaining({
        message: 'output "risk" is 3 numbers, which does not suit --task binary',
        hint: 'choose one of them: --output risk.low',
      }),
    )
  })
})

describe('a label', () => {
  test.each([
    ['binary', 2, 'is not 0, 1, true or false'],
    ['binary', '1', 'is not 0, 1, true or false'],
    ['binary', null, 'is not 0, 1, true or false'],
    ['regression', '1', 'is not a number, true or false'],
    [null, null, 'is not a number, true or false'],
  ] as const)('of a %s that is %j is refused', (task, label, why) => {
    expect(evaluatorOf(number, task).labelFault(label)).toBe(why)
  })

  test.each(['Low', -1, 3, 0.5, true, null])('that names no class, %j, is refused', (label) => {
    const why = 'is neither one of low, mid, high nor an index from 0 to 2'
    expect(evaluatorOf(classes, null).labelFault(label)).toBe(why)
  })

  test.each([0, 2, 'low', 'high'])('%j names a class', (label) => {
    expect(evaluatorOf(classes, null).labelFault(label)).toBeNull()
  })
})
