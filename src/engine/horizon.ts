import { formatDuration } from '../kernel/time.ts'
import type { Definition } from '../topology/definition.ts'
import { planOf } from './plan.ts'

// How far back a topology looks: what a worker must read again to restore its windows.

/** How much of the past the windows of a topology still need. */
export interface Horizon {
  /** ms behind the watermark; +Infinity if something is remembered forever. */
  readonly lengthMs: number
  /** What is remembered forever, as `step.feature`. */
  readonly unbounded: readonly string[]
}

/** The horizon of a topology: delays of steps in sequence add up. */
export function horizonOf(definition: Definition): Horizon {
  const unbounded: string[] = []
  let longestMs = 0
  for (const { keeps, way } of planOf(definition)) {
    if (keeps === null) continue
    unbounded.push(...keeps.forEver)
    const delayMs = way.reduce((sum, before) => sum + (before.keeps?.delayMs ?? 0), 0)
    longestMs = Math.max(longestMs, delayMs + keeps.lengthMs)
  }
  return { lengthMs: unbounded.length > 0 ? Number.POSITIVE_INFINITY : longestMs, unbounded }
}

/**
 * Does the topology keep anything between events, even if only the watermark that finds them late?
 */
export function keepsState(definition: Definition): boolean {
  return planOf(definition).some(({ keeps }) => keeps !== null)
}

/**
 * What an operator should know about restarts of a topology, for `check` and for the start of a
 * worker.
 */
export function restartNotes(definition: Definition): string[] {
  const { unbounded } = horizonOf(definition)
  const notes: string[] = []
  if (unbounded.length > 0) {
    notes.push(
      `${definition.name}: ${unbounded.join(', ')} ${unbounded.length === 1 ? 'remembers' : 'remember'} keys for ever: ` +
        'a restart reads each partition from the start of its log',
    )
  }
  const { idleAfterMs } = definition.source.watermark
  if (idleAfterMs !== null) {
    notes.push(
      `${definition.name}: idleAfter ${formatDuration(idleAfterMs)} uses the wall clock: ` +
        'after a restart, which events are late and what a window holds may differ from an uninterrupted run',
    )
  }
  return notes
}
