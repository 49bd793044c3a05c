import type { Clock } from '../../../kernel/clock.ts'
import { isAway, unavailable } from './errors.ts'

interface Limit {
  readonly ms: number
  readonly doing: string
  readonly clock: Clock
}

/** @throws TidemarkError `BROKER_UNAVAILABLE` when the work takes too long */
export async function within<T>({ ms, doing, clock }: Limit, work: Promise<T>): Promise<T> {
  let cancel = () => {}
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () => reject(unavailable(`${doing} took longer than ${ms} ms`)))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
    work.catch(() => {})
  }
}

interface Repetition {
  readonly everyMs: number
  readonly forMs: number
  readonly clock: Clock
}

/** Repeats a request until its answer is final or time is up. Returns the last answer. */
export async function repeated<T>(
  { everyMs, forMs, clock }: Repetition,
  ask: () => Promise<T>,
  isFinal: (answer: T) => boolean,
): Promise<T> {
  const deadlineMs = clock.elapsedMs() + forMs
  for (;;) {
    const answer = await ask()
    if (isFinal(answer) || clock.elapsedMs() > deadlineMs) return answer
    await clock.sleep(everyMs)
  }
}

/** Returns all items, beginning with another one each turn. */
export function rotated<T>(all: readonly T[], turn: number): T[] {
  const first = turn % Math.max(all.length, 1)
  return [...all.slice(first), ...all.slice(0, first)]
}

/** How long to wait for one answer before the next is asked, and before a refusal counts, ms. */
const HEAD_START_MS = 1_000

/**
 * Asks the next one as soon as the previous one has failed or takes too long. The first answer
 * counts (hedged requests: Dean and Barroso, The Tail at Scale, 2013).
 * @param whom at least one; in this order
 * @throws when no one answers, the first error, but a refusal rather than an unreachable broker
 */
export function firstAnswer<W, T>(
  whom: readonly W[],
  ask: (candidate: W) => Promise<T>,
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
      // Nearly always all others refuse as well, but one may have another certificate or
      // configuration.
      if (!isAway(problem)) endLastChance ??= clock.after(HEAD_START_MS, fail)
      if (problems.length === whom.length) fail()
      else askNext()
    }
    askNext()
  })
}
