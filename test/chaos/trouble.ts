import { setTimeout as sleep } from 'node:timers/promises'
import { say } from '../../src/cli/print.ts'
import type { Ground, Trouble } from '../soak/course.ts'
import { type Entry, LANES } from './schedule.ts'
import { VERBS } from './verbs.ts'

/** Puts workers through a schedule. What does not bite, or is not whole again in time, is a fault. */
export function troubleOf(schedule: readonly Entry[]): Trouble {
  return async (ground) => {
    const startMs = performance.now()
    const lanes = Object.keys(LANES).map((lane) => schedule.filter((entry) => entry.lane === lane))
    const faults = await Promise.all(lanes.map((lane) => run(ground, lane, startMs)))
    return faults.flat()
  }
}

async function run(ground: Ground, entries: readonly Entry[], startMs: number): Promise<string[]> {
  const faults: string[] = []
  const seconds = () => (performance.now() - startMs) / 1_000
  for (const entry of entries) {
    await sleep(Math.max(0, entry.atS - seconds()) * 1_000)
    const name = `${seconds().toFixed(1)} s: ${nameOf(entry)}`
    say(`${name} ...`)
    try {
      say(`${name}: ${await VERBS[entry.verb](ground, entry)}`)
    } catch (error) {
      const fault = `${name}: ${(error as Error).message}`
      faults.push(fault)
      say(fault)
    }
  }
  return faults
}

/** `kill node (node 2)` */
export function nameOf({ verb, target }: Entry): string {
  return `${verb} (${target})`
}
