import type { Planned } from './plan.ts'

/**
 * Do steps before a tumbling step and steps behind it, or behind two of them, write the same topic?
 * The results of a tumbling step come in pieces, each when the other steps have long taken the
 * whole chunk: only what is held until its end can be put into log order.
 */
export function sharesTopic(plan: readonly Planned[]): boolean {
  const firstBehind = new Map<string, string | null>()
  return plan.some(({ step, place }) => {
    if (step.op !== 'sink') return false
    const behind = place.results?.name ?? null
    const first = firstBehind.get(step.topic)
    if (first === undefined) firstBehind.set(step.topic, behind)
    return first !== undefined && first !== behind
  })
}
