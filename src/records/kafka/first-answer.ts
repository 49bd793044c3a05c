import { isAway } from './errors.ts'

/** Who has not answered by then may be hanging: another is asked beside it, ms. */
const HEAD_START_MS = 1_000

/**
 * Asks several for what any of them can tell: the next as soon as the one before has failed, or lets wait. The first answer counts
 * (hedged requests: Dean and Barroso, The Tail at Scale, 2013).
 * @param whom at least one; in this order
 * @throws when all are away, what the first of them failed with; any other failure at once
 */
export function firstAnswer<W, T>(whom: readonly W[], ask: (one: W) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const left = [...whom]
    const problems: unknown[] = []
    let timer: NodeJS.Timeout | undefined
    const askNext = () => {
      clearTimeout(timer)
      const next = left.shift()
      if (next === undefined) return
      if (left.length > 0) timer = setTimeout(askNext, HEAD_START_MS)
      ask(next).then(answered, failed)
    }
    const end = () => {
      clearTimeout(timer)
      left.length = 0
    }
    const answered = (answer: T) => {
      end()
      resolve(answer)
    }
    const failed = (problem: unknown) => {
      problems.push(problem)
      if (!isAway(problem)) {
        end()
        reject(problem)
      } else if (problems.length === whom.length) {
        reject(problems[0])
      } else {
        askNext()
      }
    }
    askNext()
  })
}
