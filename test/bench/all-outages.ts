import type { StopRequest } from '../../src/cli/exit.ts'
import type { OutagesFigures } from './outages.ts'
import { tell } from './program.ts'
import { withBrokers } from './stage.ts'
import { table } from './table.ts'

/** The load, and where. */
export interface AllOutagesOptions {
  readonly rate: number
  readonly seconds: number
  readonly brokers?: readonly string[]
}

const HEADING = [
  ...['outage', 'guarantee', 'events', 'lost', 'twice', 'dead letters'],
  ...['p99 before', 'p99 during', 'degraded during', 'later'],
]

/** Measures the outages of Redis under both guarantees, and prints one table. */
export async function allOutages(
  { rate, seconds, brokers }: AllOutagesOptions,
  ending: StopRequest,
): Promise<void> {
  const load = ['--rate', String(rate), '--seconds', String(seconds)]
  const lines: string[][] = []
  await withBrokers(brokers ?? null, async (all) => {
    for (const guarantee of ['exactly-once', 'at-least-once']) {
      const flags = ['--guarantee', guarantee, ...load, '--brokers', all.join(',')]
      const told = (await tell(['bench.ts', 'outages', ...flags], ending)) as OutagesFigures
      const { events, lost, repeated, strayLetters, outages } = told
      for (const { outage, p99BeforeMs, p99DuringMs, degraded } of outages) {
        const [during, later] = [degraded.during, degraded.later].map((reasons) =>
          Object.values(reasons).reduce((sum, count) => sum + count, 0),
        )
        const counts = [events, lost, repeated, strayLetters].map(String)
        const times = [p99BeforeMs, p99DuringMs].map((ms) => `${ms} ms`)
        lines.push([outage, guarantee, ...counts, ...times, `${during}`, `${later}`])
      }
    }
  })
  console.log(table([HEADING, ...lines], { right: HEADING.map((_, i) => i).slice(2) }).join('\n'))
}
