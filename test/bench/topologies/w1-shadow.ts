// W1 with a shadow of the same size, 100 other trees: it scores every event, and is only compared.
import { onnxModel } from 'tidemark'
import type { FeaturesStep, ScoreStep } from '../../../src/topology/definition.ts'
import type { ModelDefinition } from '../../../src/topology/models.ts'
import { cardGbdt } from '../../fixtures/models/card-gbdt.model.ts'
import w1 from './w1.ts'

const candidate = onnxModel({
  ...(cardGbdt as typeof cardGbdt & ModelDefinition),
  name: 'card-gbdt-v2',
  file: new URL('../../fixtures/models/card-gbdt-v2.onnx', import.meta.url),
  sha256: '94cf8f2e08f8fc38f7c41eeb93336a50ee2290a4650228616be2d96845b2537a',
  golden: new URL('../../fixtures/models/card-gbdt-v2.golden.json', import.meta.url),
})

const [features] = w1.then as [FeaturesStep]
const [score] = features.then as [ScoreStep]
const { models, otherwise } = score

/** @param topic of the shadow's scores; `null`: they are only compared */
export function w1Shadowed(topic: string | null) {
  const sink = topic === null ? null : { name: topic, topic }
  const shadow = { model: 'candidate', sink, share: 1 }
  const shadowed = { ...score, models: { ...models, candidate }, otherwise, shadows: [shadow] }
  return { ...w1, then: [{ ...features, then: [shadowed] }] }
}

export default w1Shadowed(null)
