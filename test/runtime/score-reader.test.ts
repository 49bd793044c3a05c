import { expect, test } from 'vitest'
import type { Arrivals } from '../../src/engine/events.ts'
import { ScoreReader } from '../../src/runtime/score-reader.ts'
import type { ScoreStep } from '../../src/topology/definition.ts'
import { type ModelDefinition, modelDefinition } from '../../src/topology/models.ts'
import { modelStep, stepAnswer } from '../support/score-steps.ts'
import { model } from './support.ts'

function reader(outputs: ModelDefinition['outputs']): ScoreReader {
  const step = modelStep({ ...modelDefinition(model), outputs })
  return new ScoreReader(step, [{ label: 'm@1', route: 'm' }])
}

const step = { op: 'score', name: 'm' } as ScoreStep
const arrivals: Arrivals = {
  step,
  indices: [0, 1],
  windows: null,
  events: ['first', 'second'],
  late: new Set(),
  rows: new Float32Array(4),
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
const scores = stepAnswer(columns)

test('a score has its outputs as declared: one number, or one for each column', () => {
  const of = reader(outputs)
  const read = [0, 1].map((i) => of.read(i, arrivals, scores).score)
  expect(read).toStrictEqual([
    { p: 0.1, risk: { low: 1, mid: 3 }, label: 5 },
    { p: 0.2, risk: { low: 2, mid: 4 }, label: 6 },
  ])
})

test('outputs and columns stand in the order in which they were declared', () => {
  const { score } = reader(outputs).read(0, arrivals, scores)
  expect(JSON.stringify(score)).toBe('{"p":0.1,"risk":{"low":1,"mid":3},"label":5}')
})

test('no two events share an object that their functions could change', () => {
  const of = reader(outputs)
  const [first, second] = [of.read(0, arrivals, scores), of.read(0, arrivals, scores)]
  expect(first.score).not.toBe(second.score)
  expect(first.score['risk']).not.toBe(second.score['risk'])
  expect(first.features).not.toBe(second.features)
})
