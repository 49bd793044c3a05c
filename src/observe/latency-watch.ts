import { partitionName } from '../kernel/ids.ts'
import type { Stage } from '../kernel/stages.ts'
import type { EventOf, WatchedTopology } from './observer.ts'

/** Scored events whose outputs were committed later than a limit, the higher one if past both. */
export interface LatePredictions {
  readonly topology: string
  readonly step: string
  readonly limit: 'target' | 'maximum'
  readonly limitMs: number
  /** From the arrival of their chunk to their commit. */
  readonly tookMs: number
  /** The stage that took most of that time; `queue`: the wait behind other chunks. */
  readonly stage: Stage | 'queue'
  readonly events: number
}

interface UncommittedChunk {
  readonly event: EventOf<'processed'>
  readonly atMs: number
}

/**
 * Follows each chunk from its arrival to its commit, by a clock that never goes back, and finds
 * those that take longer than a score step allows.
 */
export class LatencyWatch {
  readonly #limitsOf: ReadonlyMap<string, WatchedTopology['latency']>
  readonly #waiting = new Map<string, UncommittedChunk[]>()

  constructor(watched: readonly WatchedTopology[]) {
    this.#limitsOf = new Map(watched.map(({ topology, latency }) => [topology, latency]))
  }

  processed(event: EventOf<'processed'>, atMs: number): void {
    if (event.outcomes.scored === 0 || this.#limits(event).length === 0) return
    const name = partitionName(event.partition)
    const chunks = this.#waiting.get(name) ?? []
    chunks.push({ event, atMs })
    this.#waiting.set(name, chunks)
  }

  committed({ nextOffsets }: EventOf<'committed'>, nowMs: number): LatePredictions[] {
    const late: LatePredictions[] = []
    for (const { partition, nextOffset } of nextOffsets) {
      const chunks = this.#waiting.get(partitionName(partition)) ?? []
      while (chunks[0] !== undefined && chunks[0].event.nextOffset <= nextOffset) {
        const { event, atMs } = chunks.shift() as UncommittedChunk
        late.push(...this.#lateIn(event, nowMs - atMs))
      }
    }
    return late
  }

  lost({ partition }: EventOf<'lost'>): void {
    this.#waiting.delete(partitionName(partition))
  }

  #lateIn(event: EventOf<'processed'>, commitMs: number): LatePredictions[] {
    const { topology, outcomes, durationMs } = event
    const tookMs = durationMs + commitMs
    return this.#limits(event).flatMap(({ step, targetMs, maximumMs }) => {
      if (tookMs <= targetMs) return []
      const limit = tookMs > maximumMs ? 'maximum' : 'target'
      const limitMs = limit === 'maximum' ? maximumMs : targetMs
      const stage = slowestOf(event, commitMs)
      return [{ topology, step, limit, limitMs, tookMs, stage, events: outcomes.scored }]
    })
  }

  #limits({ topology }: EventOf<'processed'>): WatchedTopology['latency'] {
    return this.#limitsOf.get(topology) ?? []
  }
}

function slowestOf({ stages, durationMs }: EventOf<'processed'>, commitMs: number) {
  const timed = Object.values(stages).reduce((sum, ms) => sum + ms, 0)
  const times = { ...stages, commit: commitMs, queue: durationMs - timed }
  const [[slowest] = ['queue']] = Object.entries(times).toSorted(([, a], [, b]) => b - a)
  return slowest as LatePredictions['stage']
}
