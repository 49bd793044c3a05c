import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { count, say } from '../../src/cli/print.ts'
import { untilSignal } from '../../src/cli/signals.ts'
import { type CpuProfile, type StageTimes, stageTimes } from './cpu-profile.ts'
import { type Figure, machine } from './figures.ts'
import { PROFILE_STAGES, stageOf, V8_STAGES } from './profile-stages.ts'
import { tell } from './program.ts'
import { table } from './table.ts'

/** Functions of no stage that are named. */
const NAMED = 10
const IDLE = '(idle)'

interface Options {
  readonly events: number
  readonly brokers?: readonly string[]
}

interface Told {
  readonly eventsPerSecond: Figure
  readonly cpuMicrosPerEvent: Figure
}

/** Profiles the main thread of a worker on W1, exactly once, while it has work; and tells what each stage takes of it. */
export async function profile(folder: string, { events, brokers }: Options): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}.cpuprofile`)
  say(`W1 on Kafka, exactly once, ${count(events)} payments; profiled between 20 % and 90 % …`)
  const ending = untilSignal()
  const flags = brokers === undefined ? [] : ['--brokers', brokers.join(',')]
  const args = ['throughput', '--events', String(events), '--profile', file, ...flags]
  const { eventsPerSecond, cpuMicrosPerEvent } = (await tell(['bench.ts', ...args], ending)) as Told
  ending.dispose()
  if (!existsSync(file) || typeof eventsPerSecond !== 'number') {
    throw new Error(`${count(events)} payments are too few to be profiled`)
  }
  const times = stageTimes(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, stageOf)
  for (const line of linesOf(times, eventsPerSecond)) console.log(line)
  console.log(
    `\nall threads: ${cpuMicrosPerEvent} µs CPU/event, ${count(eventsPerSecond)} events/s, profiled\n${machine()}\n${file}`,
  )
}

/** Tables by stage, and by function of what belongs to none. */
function linesOf({ stages, others }: StageTimes, eventsPerSecond: number): string[] {
  const inOthers = sum(others.values())
  const all = sum(stages.values()) + inOthers
  const events = (all / 1e6) * eventsPerSecond
  const line = (name: string, micros: number) => [
    name,
    `${((micros / all) * 100).toFixed(1)} %`,
    (micros / events).toFixed(2),
  ]
  const names = [...PROFILE_STAGES.map(({ name }) => name), ...V8_STAGES]
  const byStage = names.map((name) => line(name, stages.get(name) ?? 0))
  const top = [...others].toSorted(([, a], [, b]) => b - a).slice(0, NAMED)
  return table(
    [
      ['main thread', 'share', 'µs/event'],
      ...byStage,
      line('other', inOthers),
      ...top.map(([name, micros]) => line(`  ${name}`, micros)),
      line('all but (idle)', all - (stages.get(IDLE) ?? 0)),
    ],
    { right: [1, 2] },
  )
}

function sum(all: Iterable<number>): number {
  let total = 0
  for (const one of all) total += one
  return total
}
