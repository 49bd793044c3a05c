import type { Definition, Step } from '../../src/topology/definition.ts'

const PATIENCE_MS = 60_000

/**
 * The same topology on a machine that may have no free core: its models may take as long as they
 * take.
 */
export function patient(topology: Definition): Definition {
  const lived = (then: readonly Step[]): Step[] =>
    then.map((step) => {
      if (step.op === 'sink') return step
      const next = { ...step, then: lived(step.then) }
      return next.op === 'score' ? { ...next, latencyBudgetMs: PATIENCE_MS } : next
    })
  return { ...topology, then: lived(topology.then) }
}
