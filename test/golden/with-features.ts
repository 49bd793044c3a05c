import type { Definition, SinkStep, Step } from '../../src/topology/definition.ts'
import { stepsOf } from '../../src/topology/graph.ts'

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
      const inner = rewrite(step.then, step.op === 'score')
      if (step.op !== 'map' || !scored) return { ...step, then: inner }
      const to = (event: unknown) => ({
        ...(step.to(event) as object),
        features: (event as Scored).features,
      })
      return { ...step, to, then: inner }
    })
  return { ...topology, then: rewrite(topology.then, false) }
}

/** The same topology without its model: its output is the features. */
export function withoutModel<T extends Definition>(topology: T): T {
  const sink = [...stepsOf(topology.then)].find((step) => step.op === 'sink') as SinkStep
  const to = (event: unknown) => ({ features: (event as Scored).features })
  const map: Step = { op: 'map', name: 'map', to, then: [{ ...sink, key: null }] }
  const rewrite = (then: readonly Step[]): Step[] =>
    then.map((step) => {
      if (step.op === 'score') return map
      return step.op === 'sink' ? step : { ...step, then: rewrite(step.then) }
    })
  return { ...topology, then: rewrite(topology.then) }
}
