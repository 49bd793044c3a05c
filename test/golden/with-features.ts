import type { Definition, Step } from '../../src/topology/definition.ts'

interface Scored {
  readonly features: Readonly<Record<string, number>>
}

/**
 * The same topology, whose outputs carry the features as well, so that a test sees them through
 * every way out.
 */
export function withFeatures<T extends Definition>(topology: T): T {
  const rewrite = (then: readonly Step[], scored: boolean): Step[] =>
    then.map((step) => {
      if (step.op === 'sink') return step
      const inner = rewrite(step.then, step.op === 'score' || (scored && step.op === 'where'))
      if (step.op !== 'map' || !scored) return { ...step, then: inner }
      const to = (event: unknown) => ({
        ...(step.to(event) as object),
        features: (event as Scored).features,
      })
      return { ...step, to, then: inner }
    })
  return { ...topology, then: rewrite(topology.then, false) }
}
