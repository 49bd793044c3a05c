import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { StopRequest } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { grouped } from '../../src/kernel/wording.ts'
import { ROOT } from '../support/paths.ts'
import { sourced } from './bundled-source.ts'
import { type CpuProfile, type StageTimes, stageTimes } from './cpu-profile.ts'
import { type Figure, machine } from './figures.ts'
import { IDLE, PROFILE_STAGES, stageOf, V8_STAGES } from './profile-stages.ts'
import { tell } from './program.ts'
import { table } from './table.ts'

/** How many functions without a stage are listed. */
const NAMED = 10

interface Options {
  readonly events: number
  readonly brokers?: readonly string[]
}

interface Told {
  readonly eventsPerSecond: Figure
  readonly cpuMicrosPerEvent: Figure
  readonly mainThreadMicrosPerEvent: Figure
}

/**
 * Profiles the main thread of a worker on W1 under exactly-once and prints the share of each stage.
 */
export async function profile(
  folder: string,
  { events, brokers }: Options,
  ending: StopRequest,
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}.cpuprofile`)
  say(`W1 on Kafka, exactly once, ${grouped(events)} payments; profiled between 20 % and 90 % …`)
  const flags = brokers === undefined ? [] : ['--brokers', brokers.join(',')]
  const args = ['throughput', '--events', String(events), '--profile', file, ...flags]
  const told = (await tell(['bench.ts', ...args], ending)) as Told
  if (!existsSync(file)) throw new Error(`${grouped(events)} payments are too few to be profiled`)
  const written = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile
  print(stageTimes(sourced(written), stageOf), told.mainThreadMicrosPerEvent)
  const { eventsPerSecond, cpuMicrosPerEvent } = told
  const rate = typeof eventsPerSecond === 'number' ? grouped(eventsPerSecond) : eventsPerSecond
  console.log(
    [
      `${grouped(events)} payments, ${rate} events/s, profiled; all threads, including scoring and garbage collection: ${cpuMicrosPerEvent} µs CPU/event`,
      machine(),
      relative(ROOT, file),
    ].join('\n'),
  )
}

/** Prints a table by stage, and one of the functions without a stage. */
function print({ stages, others }: StageTimes, cpuMicrosPerEvent: Figure): void {
  const inOthers = sum(others.values())
  const all = sum(stages.values()) + inOthers
  const busy = all - (stages.get(IDLE) ?? 0)
  const lineOf = ([name, micros]: readonly [string, number]) => [
    name,
    `${((micros / all) * 100).toFixed(1)} %`,
    name === IDLE || typeof cpuMicrosPerEvent !== 'number'
      ? '–'
      : ((micros / busy) * cpuMicrosPerEvent).toFixed(2),
  ]
  const names = [...PROFILE_STAGES.map(({ name }) => name), ...V8_STAGES, IDLE]
  const byStage = names.map((name) => lineOf([name, stages.get(name) ?? 0]))
  const largest = [...others].toSorted(([, a], [, b]) => b - a).slice(0, NAMED)
  const unit = 'µs CPU/event'
  const lines = [
    ['main thread', 'share', unit],
    ...byStage,
    lineOf(['other', inOthers]),
    lineOf(['all but idle', busy]),
    ['', '', ''],
    ['other, by function', 'share', unit],
    ...largest.map(lineOf),
  ]
  for (const line of table(lines, { right: [1, 2] })) console.log(line)
  console.log()
}

function sum(all: Iterable<number>): number {
  let total = 0
  for (const one of all) total += one
  return total
}
