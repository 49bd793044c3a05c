import { defineTopology, onnxModel, rule } from 'tidemark'
import { expect, test } from 'vitest'
import { shadowChoice } from '../../src/engine/operators/score/shadow-branches.ts'
import { Dictionary } from '../../src/engine/store/dictionary.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { Share } from '../../src/kernel/shares.ts'
import { modelDefinition } from '../../src/topology/models.ts'
import { scoreStepOf } from '../runtime/output/shadow/shadowed.ts'
import { model, source } from '../runtime/support.ts'
import { HASH } from '../support/hash.ts'
import { stepAnswer } from '../support/score-steps.ts'

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
const keys = new Dictionary(HASH)
const shadows = shadowChoice(step, keys)

/** Four events, in the share of both shadows. */
const rows = Float32Array.of(1, 1, 2, Number.NaN, 3, 3, 4, 4)
const allFinite = Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4)
const decided = Uint8Array.of(0, 2, 1, 5)
const answer = { ...stepAnswer([new Float64Array(4)]), decided }
const choose = shadows([0, 1, 2, 3], [])

test('events that the same model has scored are left out, also those that it scored as fallback', () => {
  const [both, always] = choose(allFinite, answer)
  expect(both).toEqual({ rows: [0, 1, 3], unfit: 0 })
  expect(always).toEqual({ rows: [1, 2], unfit: 0 })
})

test('events without a main score are left out', () => {
  const faults = new Map([[3, new TidemarkError('SCORE_FAILED', 'it fails')]])
  expect(choose(allFinite, { ...answer, faults })[0]).toEqual({ rows: [0, 1], unfit: 0 })
})

test('events that lack a feature of the shadow alone do not fit; a function takes all', () => {
  const [both, always] = choose(rows, answer)
  expect(both).toEqual({ rows: [0, 3], unfit: 1 })
  expect(always).toEqual({ rows: [1, 2], unfit: 0 })
})

test('a shadow gets the events whose keys are in its share', () => {
  const texts = Array.from({ length: 200 }, (_, i) => `card-${i}`)
  const numbers = texts.map((text) => keys.numberOf(text))
  const half = { ...step, shadows: step.shadows.map((shadow) => ({ ...shadow, share: 0.5 })) }
  const indices = numbers.map((_, i) => i).filter((i) => i % 3 !== 0)
  const share = new Share('shadow.both', 0.5)
  const expected = indices.flatMap((i, row) => (share.has(texts[i] as string) ? [row] : []))
  const width = step.features.length
  const given = new Float32Array(indices.length * width)
  const scores = stepAnswer([new Float64Array(indices.length)])
  const ofHalf = shadowChoice(half, keys)(indices, numbers)(given, scores)
  expect(ofHalf[0]?.rows).toEqual(expected)
  const ofAll = shadows(indices, numbers)(given, scores)
  expect(ofAll[0]?.rows).toHaveLength(indices.length)
})
