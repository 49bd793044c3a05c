import type { EventFunction } from './definition.ts'

/** Answers that `?? 0`, `|| 0` and defaults tell from one another. */
const ANSWERS: readonly unknown[] = [Object.freeze({}), undefined, null]

/**
 * The name of the field that a function merely picks, such as `amount` of `(p) => p.amount`; `null` when it does more.
 * Found by calling it with a recording proxy, which it cannot tell from an event without looking into a value.
 */
export function pickedField(of: EventFunction<unknown>): string | null {
  const picks = new Set(ANSWERS.map((answer) => pickOf(of, answer)))
  const [pick = null] = picks
  return picks.size === 1 ? pick : null
}

/** The one field read, if the function gives what was read. */
function pickOf(of: EventFunction<unknown>, answer: unknown): string | null {
  const reads: string[] = []
  const event = new Proxy(
    {},
    {
      get: (_, name) => {
        reads.push(String(name))
        return answer
      },
    },
  )
  try {
    return of(event) === answer && reads.length === 1 ? (reads[0] ?? null) : null
  } catch {
    return null
  }
}
