import { formatDuration } from '../kernel/time.ts'
import { type Definition, type FeaturesStep, type Step, stepsOf } from './definition.ts'

// How far back a topology looks: what a worker must read again to have its windows as they were.

/** How much of the past the windows of a topology still need. */
export interface Horizon {
  /** ms behind the watermark; +Infinity when something is remembered for ever. */
  readonly lengthMs: number
  /** What is remembered for ever: step and feature. */
  readonly unbounded: readonly string[]
}

export function horizonOf({ then }: Definition): Horizon {
  const unbounded: string[] = []
  const lengthOf = (steps: readonly Step[]): number => {
    let longest = 0
    for (const step of steps) {
      if (step.op === 'sink') continue
      const behind = lengthOf(step.then)
      if (step.op === 'tumbling') {
        // A window that is open began so long before the watermark; what its results are kept for comes on top.
        longest = Math.max(longest, step.lengthMs + step.graceMs + behind)
      } else longest = Math.max(longest, behind)
      if (step.op === 'features') longest = Math.max(longest, featuresLength(step, unbounded))
    }
    return longest
  }
  const lengthMs = lengthOf(then)
  return { lengthMs: unbounded.length > 0 ? Number.POSITIVE_INFINITY : lengthMs, unbounded }
}

/** Does the topology keep anything between events, be it only the watermark that finds them late? */
export function keepsState({ then }: Definition): boolean {
  return [...stepsOf(then)].some((step) => step.op === 'features' || step.op === 'tumbling')
}

function featuresLength(step: FeaturesStep, unbounded: string[]): number {
  let longest = 0
  for (const feature of step.features) {
    const name = `${step.name}.${feature.name}`
    if (feature.from === 'rolling') longest = Math.max(longest, feature.lengthMs)
    else if (feature.from === 'tumbling') {
      longest = Math.max(longest, feature.lengthMs)
      if (feature.which === 'lastClosed') unbounded.push(name)
    } else if (feature.from === 'sinceLast') longest = Math.max(longest, feature.lengthMs)
    else if (feature.from === 'sinceLastEver') unbounded.push(name)
  }
  return longest
}

/** What an operator should know of a topology's restarts, for `check` and the start of a worker. */
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
      `${definition.name}: idleAfter ${formatDuration(idleAfterMs)} goes by the wall clock: ` +
        'after a restart what is late, and what a window holds, may differ from one uninterrupted run',
    )
  }
  return notes
}
