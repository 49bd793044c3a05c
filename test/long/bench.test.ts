import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect } from 'vitest'
import type { OutagesFigures } from '../bench/outages.ts'
import { kafkaTest } from '../services/kafka.ts'
import { ROOT } from '../support/paths.ts'

// The benchmark as a command, briefly.

const run = promisify(execFile)

async function bench(brokers: readonly string[], ...args: readonly string[]): Promise<unknown> {
  const flags = [
    '--import',
    'tsx',
    '--conditions=tidemark-source',
    join(ROOT, 'test/bench/bench.ts'),
  ]
  const { stdout } = await run(process.execPath, [
    ...flags,
    ...args,
    '--brokers',
    brokers.join(','),
  ])
  return JSON.parse(stdout)
}

describe.each(['exactly-once', 'at-least-once'])('%s', (guarantee) => {
  kafkaTest(
    'every payment is counted once, by its outcome and not by where a log ends',
    async (kafka) => {
      const flags = ['--guarantee', guarantee, '--events', '20000']
      expect(await bench(kafka.brokers, 'throughput', ...flags)).toMatchObject({
        ...{ guarantee, events: 20_000, outputs: 19_974, deadLetters: 26, repeated: 0, exit: 0 },
        eventsPerSecond: expect.any(Number),
      })
    },
  )
})

kafkaTest('a worker that is killed goes on, and the time until then is told', async (kafka) => {
  const pace = ['--rate', '500', '--seconds', '12', '--kills', '1']
  const figures = await bench(kafka.brokers, 'kill', ...pace)
  expect(figures).toMatchObject({ events: 6_000, repeated: 0, exit: 0 })
  const { nextOutputMs } = figures as { nextOutputMs: readonly unknown[] }
  expect(nextOutputMs).toEqual([expect.any(Number)])
})

kafkaTest(
  'while Redis is killed, stopped and filled nothing is lost, and all rows are there again (Redis)',
  async (kafka) => {
    const topology = join(ROOT, 'test/bench/topologies/w1-outages-busy.ts')
    const pace = ['--rate', '500', '--seconds', '2', '--topology', topology]
    const figures = await bench(kafka.brokers, 'outages', ...pace)
    const none = { lost: 0, repeated: 0, strayLetters: 0, exit: 0 }
    expect(figures).toMatchObject({ events: 13_000, ...none })
    const { outages, refusedWrites } = figures as OutagesFigures
    expect(refusedWrites).toBeGreaterThan(0)
    for (const { degraded } of outages) expect(degraded).toMatchObject({ before: {}, later: {} })
    const areMissed = outages.map(({ outage, degraded: { during } }) => [
      outage,
      Object.keys(during).length > 0,
    ])
    expect(areMissed).toEqual([
      ['killed', true],
      ['stopped', true],
      ['filled', false],
    ])
  },
)
