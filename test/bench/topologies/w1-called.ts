// W1 with a map that must be called for every event because its source is not simple enough to be
// read and compiled.
import type { FeaturesStep, MapStep, ScoreStep } from '../../../src/topology/definition.ts'
import w1 from './w1.ts'

interface Scored {
  readonly event: Readonly<Record<'paymentId' | 'cardId' | 'paidAt', unknown>>
  readonly score: { readonly probability: number }
  readonly model: string
}

function withRisk(scored: unknown): unknown {
  const { event, score, model } = scored as Scored
  const { paymentId, cardId, paidAt } = event
  const { probability } = score
  return { paymentId, cardId, paidAt, probability, risk: Math.round(probability * 100), model }
}

const [features] = w1.then as [FeaturesStep]
const [score] = features.then as [ScoreStep]
const [map] = score.then as [MapStep]

export default {
  ...w1,
  then: [{ ...features, then: [{ ...score, then: [{ ...map, to: withRisk }] }] }],
}
