import {
  changed,
  type Definition,
  type ScoreStep,
  type ShadowSink,
  type SinkStep,
  type Step,
  sinksOf,
} from './definition.ts'

// Models that are only watched, in a topology.

/** What says of a score step which of its models decide. */
type Deciding = Pick<ScoreStep, 'shadows' | 'routes' | 'otherwise' | 'fallback'>

/** Does no event get its score from this model, since it is only watched? */
export function isOnlyShadow(
  { shadows, routes, otherwise, fallback }: Deciding,
  name: string,
): boolean {
  const decides = name === otherwise || name === fallback?.to
  return (
    shadows.some(({ model }) => model === name) && !decides && routes.every((r) => r.to !== name)
  )
}

/** The topics that only shadows of a topology write, without a commit. */
export function shadowTopics({ then }: Definition): string[] {
  const isStep = (sink: SinkStep | ShadowSink) => 'op' in sink
  const committed = new Set(
    sinksOf(then)
      .filter(isStep)
      .map(({ topic }) => topic),
  )
  const all = new Set(sinksOf(then).map(({ topic }) => topic))
  return [...all].filter((topic) => !committed.has(topic))
}

/** The same topology without its shadows, which have no part in what it commits. */
export function withoutShadows(definition: Definition): Definition {
  const bare = (step: Step): Step => {
    if (step.op !== 'score' || step.shadows.length === 0) return step
    const models = Object.entries(step.models).filter(([name]) => !isOnlyShadow(step, name))
    return { ...step, models: Object.fromEntries(models), shadows: [] }
  }
  return { ...definition, then: changed(definition.then, bare) }
}
