import { expect, test } from 'vitest'
import type { FeaturesStep } from '../../src/topology/definition.ts'
import type { StatedAccuracy } from '../../src/topology/models.ts'
import { withVariants } from '../support/variants.ts'
import { faultsOf } from './good-topology.ts'

test.each<[string, object, string]>([
  ['two of one name', { names: ['deep', 'gbdt', 'deep', 'mlp'] }, 'two variants are named "deep"'],
  [
    'one that does not state its accuracy',
    { accuracies: { gbdt: undefined } },
    'these variants do not state their accuracy: gbdt',
  ],
  [
    'some with different measures',
    { accuracies: { gbdt: { accuracy: 0.9, rows: 1 } } },
    'its variants state different measures of accuracy: auc, accuracy',
  ],
  [
    'none that is accurate enough',
    { minAccuracy: 0.96 },
    'no variant meets minAccuracy 0.96: the best, deep, has auc 0.95',
  ],
  [
    'a minimum that is no number',
    { minAccuracy: Number.NaN },
    'minAccuracy must be a finite number, got NaN',
  ],
])('of variants it is a fault if there are %s', (_, given, fault) => {
  const { accuracies = {}, ...change } = given as {
    accuracies?: Record<string, StatedAccuracy | undefined>
  }
  const definition = withVariants()
  const features = definition.then[0] as FeaturesStep
  const then = features.then.map((step) => {
    if (step.op !== 'score' || step.variants === null) return step
    const models = Object.entries(step.models).map(([name, model]) => [
      name,
      name in accuracies ? { ...model, accuracy: accuracies[name] } : model,
    ])
    const variants = { ...step.variants, ...change }
    return { ...step, variants, models: Object.fromEntries(models) }
  })
  expect(faultsOf(definition)).toEqual([])
  expect(faultsOf({ ...definition, then: [{ ...features, then }] })).toEqual([
    `TOPOLOGY_INVALID scored/score: ${fault}`,
  ])
})
