import type { PlannedStep } from './plan.ts'

/**
 * Do steps before a tumbling step and steps after it write the same topic, or steps after two
 * different tumbling steps? The results of a tumbling step come in pieces, by which time the other
 * steps have processed the whole chunk: such a topic can only be written in log order if all output
 * is held back until the end of the chunk.
 */
export function sharesTopic(plan: readonly PlannedStep[]): boolean {
  const firstBehind = new Map<string, string | null>()
  return plan.some(({ step, place }) => {
    if (step.op !== 'sink') return false
    const behind = place.results?.name ?? null
    const first = firstBehind.get(step.topic)
    if (first === undefined) firstBehind.set(step.topic, behind)
    return first !== undefined && first !== behind
  })
}
