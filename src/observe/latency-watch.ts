import { partitionName } from '../kernel/ids.ts'
import type { Stage } from '../kernel/stages.ts'
import type { Observer } from '../runtime/events.ts'
import { byType, type EventOf } from './by-type.ts'
import type { WatchedTopology } from './watched.ts'

type Limit = 'target' | 'maximum'
/** `queue`: the wait behind other chunks. */
type Slowest = Stage | 'queue'

/**
 * Scored events whose outputs were committed later than a limit; `maximum` if both limits are
 * exceeded.
 */
export interface LatePredictions {
  readonly topology: string
  /** The score step with the latency budget. */
  readonly step: string
  readonly limit: Limit
  readonly limitMs: number
  /** From the arrival of their chunk to their commit. */
  readonly tookMs: number
  /** The stage that took most of that time. */
  readonly stage: Slowest
  readonly events: number
}

/** A chunk whose outputs wait for their commit. */
interface UncommittedChunk {
  readonly of: EventOf<'processed'>
  readonly atMs: number
}

/**
 * Follows each chunk from its arrival to the commit of its outputs, and reports when that takes
 * longer than a score step allows.
 *
 * @param elapsedMs a clock that never goes back
 */
export function latencyWatch(
  watched: readonly WatchedTopology[],
  elapsedMs: () => number,
  passed: (late: LatePredictions) => void,
): Observer {
  const limitsOf = new Map(watched.map(({ topology, latency }) => [topology, latency]))
  const waiting = new Map<string, UncommittedChunk[]>()
  const check = ({ of, atMs }: UncommittedChunk, nowMs: number) => {
    const tookMs = of.durationMs + nowMs - atMs
    for (const { step, targetMs, maximumMs } of limitsOf.get(of.topology) ?? []) {
      if (tookMs <= targetMs) continue
      const isOver = tookMs > maximumMs
      const limit = isOver ? 'maximum' : 'target'
      const limitMs = isOver ? maximumMs : targetMs
      const stage = slowestOf(of, nowMs - atMs)
      const { scored: events } = of.outcomes
      passed({ topology: of.topology, step, limit, limitMs, tookMs, stage, events })
    }
  }
  return byType({
    processed: (of) => {
      if (of.outcomes.scored === 0 || (limitsOf.get(of.topology) ?? []).length === 0) return
      const name = partitionName(of.partition)
      const made = waiting.get(name) ?? []
      made.push({ of, atMs: elapsedMs() })
      waiting.set(name, made)
    },
    committed: ({ nextOffsets }) => {
      const nowMs = elapsedMs()
      for (const { partition, nextOffset } of nextOffsets) {
        const made = waiting.get(partitionName(partition)) ?? []
        while (made[0] !== undefined && made[0].of.nextOffset <= nextOffset) {
          check(made.shift() as UncommittedChunk, nowMs)
        }
      }
    },
    lost: ({ partition }) => waiting.delete(partitionName(partition)),
  })
}

function slowestOf({ stages, durationMs }: EventOf<'processed'>, commitMs: number): Slowest {
  const timed = Object.values(stages).reduce((sum, ms) => sum + ms, 0)
  const times = { ...stages, commit: commitMs, queue: durationMs - timed }
  const [[slowest] = ['queue']] = Object.entries(times).toSorted(([, a], [, b]) => b - a)
  return slowest as Slowest
}
