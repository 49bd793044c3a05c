// card-fraud on a machine that may have no free core: its model may take as long as it takes; and nothing is remembered for longer than
// the windows hold, or restarts would read more of the log each time, until no life of a worker got to the end of it.
import type { Definition, FeaturesStep, Step } from '../../../src/topology/definition.ts'
import cardFraud from '../../../topologies/card-fraud.ts'

const PATIENCE_MS = 60_000

function lived(then: readonly Step[]): Step[] {
  return then.map((step) => {
    if (step.op === 'sink') return step
    const next = { ...step, then: lived(step.then) }
    if (next.op === 'score') return { ...next, latencyBudgetMs: PATIENCE_MS }
    return next.op === 'features' ? { ...next, features: next.features.map(bounded) } : next
  })
}

type Feature = FeaturesStep['features'][number]

// A course is shorter than the window: what it gives is what the topology gives, also as an older version runs it.
function bounded(feature: Feature): Feature {
  if (feature.from !== 'sinceLastEver' || feature.capMs === null) return feature
  const { name, kind, capMs: lengthMs, never: empty } = feature
  return { name, kind, from: 'sinceLast', lengthMs, empty }
}

const topology: Definition = { ...cardFraud, then: lived(cardFraud.then) }
export default topology
