import { expect, test } from 'vitest'
import { ScoreReader } from '../../src/engine/operators/score/scored-events.ts'
import { type ModelDefinition, modelDefinition } from '../../src/topology/models.ts'
import { model } from '../runtime/support.ts'
import { modelStep, stepAnswer } from '../support/score-steps.ts'

function reader(outputs: ModelDefinition['outputs']): ScoreReader {
  const step = modelStep({ ...modelDefinition(model), outputs })
  return new ScoreReader(step, [{ label: 'm@1', route: 'm' }])
}

const outputs = {
  p: { tensor: 'p', column: 0 },
  risk: { tensor: 'risk', columns: ['low', 'mid'] },
  label: { tensor: 'label', column: 0 },
}
const columns = [
  Float64Array.of(0.1, 0.2),
  Float64Array.of(1, 2),
  Float64Array.of(3, 4),
  Float64Array.of(5, 6),
]
const answered = {
  indices: [0, 1],
  events: ['first', 'second'],
  model: { rows: new Float32Array(4), carried: new Float64Array(0) },
  foundRows: null,
  scores: stepAnswer(columns),
}

test('a score has its outputs as declared: one number, or one for each column', () => {
  const of = reader(outputs)
  const read = [0, 1].map((i) => of.read(i, answered).score)
  expect(read).toStrictEqual([
    { p: 0.1, risk: { low: 1, mid: 3 }, label: 5 },
    { p: 0.2, risk: { low: 2, mid: 4 }, label: 6 },
  ])
})

test('outputs and columns stand in the order in which they were declared', () => {
  const { score } = reader(outputs).read(0, answered)
  expect(JSON.stringify(score)).toBe('{"p":0.1,"risk":{"low":1,"mid":3},"label":5}')
})

test('no two events share an object that their functions could change', () => {
  const of = reader(outputs)
  const [first, second] = [of.read(0, answered), of.read(0, answered)]
  expect(first.score).not.toBe(second.score)
  expect(first.score['risk']).not.toBe(second.score['risk'])
  expect(first.features).not.toBe(second.features)
})
