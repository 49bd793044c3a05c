import type { Definition, SinkStep, Step } from '../../src/topology/definition.ts'
import { stepsOf } from '../../src/topology/graph.ts'

interface Featured {
  readonly features: Readonly<Record<string, number>>
}

/** The same topology without its model: its output is the features. */
export function withoutModel<T extends Definition>(topology: T): T {
  const sink = [...stepsOf(topology.then)].find((step) => step.op === 'sink') as SinkStep
  const to = (event: unknown) => ({ features: (event as Featured).features })
  const map: Step = { op: 'map', name: 'map', to, then: [{ ...sink, key: null }] }
  const rewrite = (then: readonly Step[]): Step[] =>
    then.map((step) => {
      if (step.op === 'score') return map
      return step.op === 'sink' ? step : { ...step, then: rewrite(step.then) }
    })
  return { ...topology, then: rewrite(topology.then) }
}
