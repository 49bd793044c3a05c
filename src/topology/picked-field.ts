import type { EventFunction } from './definition.ts'

/**
 * The name of the field that a function merely picks, such as `amount` of `(p) => p.amount`; `null` when it does more.
 * Found by calling it once with a recording proxy, which it cannot tell from an event without looking into a value.
 */
export function pickedField(of: EventFunction<unknown>): string | null {
  const reads: string[] = []
  const answer = Object.freeze({})
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
