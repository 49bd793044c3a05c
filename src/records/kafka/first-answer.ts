import type { Clock } from '../../kernel/clock.ts'
import { isAway } from './errors.ts'

/**
 * Who has not answered by then may be hanging: another is asked beside it, and a refusal is told,
 * ms.
 */
const HEAD_START_MS = 1_000

/**
 * Asks several for what any of them can tell: the next as soon as the one before has failed, or
 * lets wait. The first answer counts (hedged requests: Dean and Barroso, The Tail at Scale, 2013).
 * @param whom at least one; in this order
 * @throws when nobody answers, what the first of them failed with, but rather a refusal than that
 * one is away
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
      // Nearly always all others refuse as well; but one alone may have another certificate, or be
      // set up otherwise.
      if (!isAway(problem)) endLastChance ??= clock.after(HEAD_START_MS, fail)
      if (problems.length === whom.length) fail()
      else askNext()
    }
    askNext()
  })
}
