import type { Step } from '../topology/definition.ts'

/**
 * Do steps before a tumbling step and steps behind it, or behind two of them, write the same topic? The results of a tumbling step come
 * in pieces, each when the other steps have long taken the whole chunk: only what is held until its end can be put into log order.
 */
export function sharesTopic(then: readonly Step[]): boolean {
  const firstBehind = new Map<string, string>()
  const walk = (steps: readonly Step[], behind: string): boolean =>
    steps.some((step) => {
      if (step.op === 'tumbling') return walk(step.then, step.name)
      if (step.op !== 'sink') return walk(step.then, behind)
      const first = firstBehind.get(step.topic) ?? behind
      firstBehind.set(step.topic, first)
      return first !== behind
    })
  return walk(then, '')
}
