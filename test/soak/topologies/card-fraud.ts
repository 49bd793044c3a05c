// card-fraud on a machine that may have no free core: its model may take as long as it takes.
import type { Definition, Step } from '../../../src/topology/definition.ts'
import cardFraud from '../../../topologies/card-fraud.ts'

const PATIENCE_MS = 60_000

function patient(then: readonly Step[]): Step[] {
  return then.map((step) => {
    if (step.op === 'sink') return step
    const slow = { ...step, then: patient(step.then) }
    return slow.op === 'score' ? { ...slow, latencyBudgetMs: PATIENCE_MS } : slow
  })
}

const topology: Definition = { ...cardFraud, then: patient(cardFraud.then) }
export default topology
