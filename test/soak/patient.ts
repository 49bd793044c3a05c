import type { Definition, Step } from '../../src/topology/definition.ts'

const PATIENCE_MS = 60_000

/** The same topology with a long latency budget, for a machine without a free core. */
export function patient(topology: Definition): Definition {
  const rewritten = (then: readonly Step[]): Step[] =>
    then.map((step) => {
      if (step.op === 'sink') return step
      const next = { ...step, then: rewritten(step.then) }
      return next.op === 'score' ? { ...next, latencyBudgetMs: PATIENCE_MS } : next
    })
  return { ...topology, then: rewritten(topology.then) }
}
