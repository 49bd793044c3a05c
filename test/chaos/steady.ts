import type { Entry, VerbName } from './schedule.ts'

// The same things again and again, each at a pace of its own, by turns.

export interface SteadyOptions {
  readonly seconds: number
  /** 0: they are left alone. */
  readonly nodes: number
  /** The workers that may be killed and held back. */
  readonly workers: readonly string[]
  readonly killEveryS: number
  readonly nodeEveryS: number
  readonly quotaEveryS: number
}

/** From its death to its restart, for others to lead meanwhile, s. */
const NODE_GONE_S = 10

/**
 * Workers are killed, nodes are killed and come back, and quotas come and go; in the order of time.
 */
export function steadySchedule(of: SteadyOptions): Entry[] {
  const { workers, seconds } = of
  const ids = Array.from({ length: of.nodes }, (_, i) => `node ${i + 1}`)
  const every = (
    verb: VerbName,
    targets: readonly string[],
    pace: Omit<Entry, 'atS' | 'verb' | 'target'> & { everyS: number },
  ) => {
    const times = targets.length === 0 ? 0 : Math.ceil((seconds - pace.lastsS) / pace.everyS) - 1
    return Array.from({ length: Math.max(0, times) }, (_, i): Entry => {
      const target = targets[i % targets.length] as string
      return { lane: pace.lane, lastsS: pace.lastsS, atS: (i + 1) * pace.everyS, verb, target }
    })
  }
  return [
    ...every('kill worker', workers, { lane: 'workers', lastsS: 0, everyS: of.killEveryS }),
    ...every('kill node', ids, { lane: 'nodes', lastsS: NODE_GONE_S, everyS: of.nodeEveryS }),
    ...every('throttle', of.nodes === 0 ? [] : workers, {
      ...{ lane: 'links', lastsS: of.quotaEveryS / 3, everyS: of.quotaEveryS },
    }),
  ].toSorted((a, b) => a.atS - b.atS)
}
