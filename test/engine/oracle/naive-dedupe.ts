import type { Arrival } from './naive-features.ts'

// Which events are duplicates, by looking through everything that ever arrived, again for each
// event.

interface NaiveDedupe {
  readonly by: (event: unknown) => string
  readonly withinMs: number
  /** Watermark = largest event time − lag. */
  readonly lagMs: number
  /** The tumbling windows behind it: an event that one of them still takes is not late. */
  readonly windows: readonly { readonly lengthMs: number; readonly graceMs: number }[]
}

export type Decision = 'first' | 'duplicate' | 'late' | 'nameless'

/**
 * An event is a duplicate if an earlier event of its key that was not late has the same id, and an
 * event time less than `within` before or after its own.
 */
export function naiveDedupe(
  { by, withinMs, lagMs, windows }: NaiveDedupe,
  events: readonly Arrival[],
): Decision[] {
  const compared: Arrival[] = []
  return events.map((now, index) => {
    const newestMs = Math.max(...events.slice(0, index + 1).map((e) => e.timeMs))
    const watermarkMs = newestMs - lagMs
    const isOpen = windows.some(({ lengthMs, graceMs }) => {
      return (Math.floor(now.timeMs / lengthMs) + 1) * lengthMs + graceMs > watermarkMs
    })
    if (now.timeMs < watermarkMs && !isOpen) return 'late'
    const id = by(now.event)
    if (id === '') return 'nameless'
    const isDuplicate = compared.some((earlier) => {
      const isSame = earlier.key === now.key && by(earlier.event) === id
      return isSame && Math.abs(earlier.timeMs - now.timeMs) < withinMs
    })
    compared.push(now)
    return isDuplicate ? 'duplicate' : 'first'
  })
}
