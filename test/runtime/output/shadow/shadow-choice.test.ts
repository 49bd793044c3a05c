import { defineTopology, onnxModel, rule } from 'tidemark'
import { expect, test } from 'vitest'
import { TidemarkError } from '../../../../src/kernel/errors.ts'
import {
  type OfferedEvents,
  ShadowChoice,
} from '../../../../src/runtime/output/shadow/kept-rows.ts'
import { StepModel } from '../../../../src/scoring/step-models.ts'
import type { ScoreStep } from '../../../../src/topology/definition.ts'
import { modelDefinition } from '../../../../src/topology/models.ts'
import { stepAnswer } from '../../../support/score-steps.ts'
import { model, scorer, source } from '../../support.ts'
import { scoreStepOf } from './shadowed.ts'

const onlyAmount = onnxModel({ ...modelDefinition(model), name: 'one', features: ['amount'] })
const alwaysOne = rule({ outputs: ['p'] }, () => ({ p: 1 }))

/** Two rules; each has a shadow with its model. */
const step = scoreStepOf(
  defineTopology('chosen', (t) =>
    t
      .source('events', source)
      .features((f) => {
        const events = f.events({ amount: (e) => e.amount })
        return { amount: events.value('amount'), sum: events.value('amount') }
      })
      .score({
        models: { one: onlyAmount, both: model, always: alwaysOne },
        route: [
          { to: 'always', share: 0.1 },
          { to: 'both', share: 0.1 },
        ],
        otherwise: 'one',
        fallback: 'always',
        shadow: { both: {}, always: {} },
      })
      .map((s) => s.score)
      .sink('scores'),
  ),
)
const DECISIONS = 10

function choiceOf(number: number, of: ScoreStep = step): ShadowChoice {
  const name = of.shadows[number]?.model ?? ''
  const own = new StepModel(of, name, scorer())
  return new ShadowChoice(of, { number, model: own, decisions: DECISIONS })
}

/** Four events in the share of both shadows. */
const rows = Float32Array.of(1, 1, 2, Number.NaN, 3, 3, 4, 4)
const shadowed = [
  [0, 1, 2, 3],
  [1, 2],
]
const answer = { ...stepAnswer([new Float64Array(4)]), decided: Uint8Array.of(0, 2, 1, 5) }

function offered(of: Partial<OfferedEvents['model']> = {}, scores = answer): OfferedEvents {
  return { model: { rows, shadowed, ...of }, scores } as unknown as OfferedEvents
}

test('events that the same model has scored are left out, also those that it scored as fallback', () => {
  expect(choiceOf(0).rows(offered())).toEqual([0, 1, 3])
  expect(choiceOf(1).rows(offered())).toEqual([1, 2])
  const all = offered({ shadowed: [[], [0, 1, 2, 3]] })
  expect(choiceOf(1).rows(all)).toEqual([1, 2])
})

test('events without a main score are left out', () => {
  const faults = new Map([[3, new TidemarkError('SCORE_FAILED', 'it fails')]])
  expect(choiceOf(0).rows(offered({}, { ...answer, faults }))).toEqual([0, 1])
})

test('events that lack a feature of the shadow alone do not fit; a function takes all', () => {
  expect(choiceOf(0).fit([0, 1, 3], offered())).toEqual([0, 3])
  expect(choiceOf(1).fit([0, 1, 3], offered())).toEqual([0, 1, 3])
})
