// W1 with three rules: a segment or a range of a feature, another range, and a share of the cards.
// All go to the same model, so that what it costs beside W1 is what the rules cost.

import type { z } from 'zod'
import type {
  FeaturesStep,
  RouteCondition,
  RouteDefinition,
  ScoreStep,
} from '../../../src/topology/definition.ts'
import type { Payment } from '../../../topologies/payment.ts'
import w1 from './w1.ts'

const [features] = w1.then as [FeaturesStep]
const [score] = features.then as [ScoreStep]
const main = Object.values(score.models)[0] as ScoreStep['models'][string]

type Features = { amount: number; sum24h: number }
type Paid = z.infer<typeof Payment>
const premium = (p: Paid, f: Features) => p.category === 'travel' || f.sum24h >= 10_000
const small = (_: Paid, f: Features) => f.amount < 5

const routes: readonly RouteDefinition[] = [
  { name: 'premium', to: 'premium', when: premium as unknown as RouteCondition, share: null },
  { name: 'small', to: 'small', when: small as unknown as RouteCondition, share: null },
  { name: 'canary', to: 'canary', when: null, share: 0.1 },
]
const models = { main, premium: main, small: main, canary: main }

export default {
  ...w1,
  then: [{ ...features, then: [{ ...score, models, otherwise: 'main', routes }] }],
}
