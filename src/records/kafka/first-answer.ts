import { isAway } from './errors.ts'

/** Who has not answered by then may be hanging: another is asked beside it, and a refusal is told, ms. */
const HEAD_START_MS = 1_000

/**
 * Asks several for what any of them can tell: the next as soon as the one before has failed, or lets wait. The first answer counts
 * (hedged requests: Dean and Barroso, The Tail at Scale, 2013).
 * @param whom at least one; in this order
 * @throws when nobody answers, what the first of them failed with, but rather a refusal than that one is away
 */
export function firstAnswer<W, T>(whom: readonly W[], ask: (one: W) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const left = [...whom]
    const problems: unknown[] = []
    let timer: NodeJS.Timeout | undefined
    let lastChance: NodeJS.Timeout | undefined
    const askNext = () => {
      clearTimeout(timer)
      const next = left.shift()
      if (next === undefined) return
      if (left.length > 0) timer = setTimeout(askNext, HEAD_START_MS)
      ask(next).then(answered, failed)
    }
    const end = () => {
      clearTimeout(timer)
      clearTimeout(lastChance)
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
      // Nearly always all others refuse as well; but one alone may have another certificate, or be set up otherwise.
      if (!isAway(problem)) lastChance ??= setTimeout(fail, HEAD_START_MS)
      if (problems.length === whom.length) fail()
      else askNext()
    }
    askNext()
  })
}
