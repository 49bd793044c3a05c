import type { Clock } from '../../kernel/clock.ts'
import { isAway } from './errors.ts'

/**
 * How long to wait for one answer before another one is asked as well, and before a refusal counts,
 * ms. A broker that takes longer may be hanging.
 */
const HEAD_START_MS = 1_000

/**
 * Asks several for what any of them can answer: the next one as soon as the previous one has failed
 * or takes too long. The first answer counts (hedged requests: Dean and Barroso, The Tail at Scale,
 * 2013).
 * @param whom at least one; in this order
 * @throws when no one answers, the first error; but a refusal rather than an unreachable broker
 */
export function firstAnswer<W, T>(
  whom: readonly W[],
  ask: (one: W) => Promise<T>,
  clock: Clock,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const left = [...whom]
    const problems: unknown[] = []
    let stopWaiting = () => {}
    let endLastChance: (() => void) | null = null
    const askNext = () => {
      stopWaiting()
      const next = left.shift()
      if (next === undefined) return
      if (left.length > 0) stopWaiting = clock.after(HEAD_START_MS, askNext)
      ask(next).then(answered, failed)
    }
    const end = () => {
      stopWaiting()
      endLastChance?.()
      left.length = 0
    }
    const fail = () => {
      end()
      reject(problems.find((problem) => !isAway(problem)) ?? problems[0])
    }
    const answered = (answer: T) => {
      end()
      resolve(answer)
    }
    const failed = (problem: unknown) => {
      problems.push(problem)
      // Nearly always all others refuse as well; but a single one may have another certificate, or
      // be configured differently.
      if (!isAway(problem)) endLastChance ??= clock.after(HEAD_START_MS, fail)
      if (problems.length === whom.length) fail()
      else askNext()
    }
    askNext()
  })
}
