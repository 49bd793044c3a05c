import { setTimeout as sleep } from 'node:timers/promises'
import { say } from '../../src/cli/print.ts'
import type { Trouble } from '../soak/course.ts'
import { type Entry, LANES } from './schedule.ts'
import { VERBS } from './verbs.ts'

/**
 * On a slow machine all takes longer than was thought; so long after the last was to be done others
 * are still begun, s.
 */
const LONGER_S = 120

/**
 * Puts workers through a schedule. A verb is a fault when it does not bite, when all is not whole
 * again in time, or when there was no time for it at all.
 */
export function troubleOf(schedule: readonly Entry[]): Trouble {
  const untilS = Math.max(...schedule.map(({ atS }) => atS)) + LONGER_S
  return async (ground) => {
    const startMs = performance.now()
    const secondsNow = () => (performance.now() - startMs) / 1_000
    const faults: string[] = []
    const begun = new Set<Entry>()
    const run = async (entries: readonly Entry[]) => {
      for (const entry of entries) {
        await sleep(Math.max(0, entry.atS - secondsNow()) * 1_000)
        if (secondsNow() > untilS) return
        begun.add(entry)
        const name = `${secondsNow().toFixed(1)} s: ${nameOf(entry)}`
        say(`${name} ...`)
        try {
          say(`${name}: ${await VERBS[entry.verb](ground, entry)}`)
        } catch (error) {
          const fault = `${name}: ${(error as Error).message}`
          faults.push(fault)
          say(fault)
        }
      }
    }
    const lanes = Object.keys(LANES).map((lane) => schedule.filter((entry) => entry.lane === lane))
    await Promise.all(lanes.map(run))
    say(`${begun.size} of ${schedule.length} things were done`)
    const done = new Set([...begun].map(({ verb }) => verb))
    const never = new Set(schedule.map(({ verb }) => verb).filter((verb) => !done.has(verb)))
    return [...faults, ...[...never].map((verb) => `${verb}: there was no time for it`)]
  }
}

/** `kill node (node 2)` */
export function nameOf({ verb, target }: Entry): string {
  return `${verb} (${target})`
}
