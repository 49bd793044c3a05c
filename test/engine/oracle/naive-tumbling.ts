import type { Cell, TumblingStep } from '../../../src/topology/definition.ts'
import { naiveAggregate } from './naive-aggregates.ts'
import type { Arrival } from './naive-features.ts'

export type { Arrival } from './naive-features.ts'

interface Window {
  readonly key: string
  readonly endMs: number
  readonly events: Arrival[]
}

/**
 * The final result of every window, in the order they come out, after which everything closes; and
 * how many events were late.
 */
export function naiveTumbling(
  step: TumblingStep,
  lagMs: number,
  events: readonly Arrival[],
): { results: Record<string, unknown>[]; late: number } {
  const results: Record<string, unknown>[] = []
  let open: Window[] = []
  let late = 0
  const closeUpTo = (watermarkMs: number) => {
    const isClosed = (w: Window) => w.endMs + step.graceMs <= watermarkMs
    const closed = open
      .filter(isClosed)
      .toSorted((a, b) => a.endMs - b.endMs || (a.key < b.key ? -1 : 1))
    open = open.filter((w) => !isClosed(w))
    for (const window of closed) results.push(resultOf(step, window))
  }
  let newestMs = Number.NEGATIVE_INFINITY
  for (const event of events) {
    const endMs = Math.floor(event.timeMs / step.lengthMs) * step.lengthMs + step.lengthMs
    newestMs = Math.max(newestMs, event.timeMs)
    const watermarkMs = newestMs - lagMs
    closeUpTo(watermarkMs)
    if (endMs + step.graceMs <= watermarkMs) {
      late++
      continue
    }
    const window = open.find((w) => w.key === event.key && w.endMs === endMs)
    if (window === undefined) open.push({ key: event.key, endMs, events: [event] })
    else window.events.push(event)
  }
  closeUpTo(Number.POSITIVE_INFINITY)
  return { results, late }
}

function resultOf(step: TumblingStep, { key, endMs, events }: Window): Record<string, unknown> {
  const kind = { is: null, columns: step.columns as Record<string, (event: unknown) => Cell> }
  const sorted = events.toSorted((a, b) => a.timeMs - b.timeMs)
  const values = Object.entries(step.aggregates).map(([name, aggregate]) => {
    if (aggregate.of === 'first' || aggregate.of === 'last') {
      const cell = kind.columns[aggregate.column]?.(
        sorted.at(aggregate.of === 'first' ? 0 : -1)?.event,
      )
      return [name, cell]
    }
    const value = naiveAggregate({ aggregate, lengthMs: step.lengthMs }, kind, {
      events: sorted,
      timeMs: endMs,
    })
    return [name, Number.isNaN(value) ? null : value]
  })
  const windowStartMs = endMs - step.lengthMs
  return { key, windowStartMs, windowEndMs: endMs, ...Object.fromEntries(values) }
}
