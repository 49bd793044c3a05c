import type { Definition, Step } from '../../src/topology/definition.ts'

/** The same topology with this latency budget for all its models. */
export function withLatencyBudget<T extends Definition>(topology: T, latencyBudgetMs: number): T {
  const rewrite = (then: readonly Step[]): Step[] =>
    then.map((step) => {
      if (step.op === 'sink') return step
      const inner = { ...step, then: rewrite(step.then) }
      return inner.op === 'score' ? { ...inner, latencyBudgetMs } : inner
    })
  return { ...topology, then: rewrite(topology.then) }
}
