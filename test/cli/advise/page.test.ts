import { expect, test } from 'vitest'
import { PRESETS, readDemand } from '../../../src/cli/advise/demand.ts'
import { formatDuration } from '../../../src/kernel/time.ts'
import { grouped } from '../../../src/kernel/wording.ts'
import { blocksOf, read } from '../../house/pages.ts'
import { tidemark } from '../../support/command-line.ts'

const PAGE = 'docs/advise.md'

test('the commands of the page about advice give one', async () => {
  const commands = blocksOf(PAGE)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.trimEnd().split('\n'))
  expect(commands).toHaveLength(2)
  for (const command of commands) {
    const { code, stdout } = await tidemark(command.split(' ').slice(2))
    expect({ command, code }).toEqual({ command, code: 0 })
    expect(stdout).toMatch(/on request|batch, scheduled/)
  }
})

test('the page has every preset, with its values', () => {
  const rows = [...read(PAGE).matchAll(/^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| (\w+) \|/gm)]
  const told = rows.map(([, ...cells]) => cells)
  const periods: Readonly<Record<string, string>> = {
    '24 h': 'a daily batch',
    '7 days': 'a weekly batch',
  }
  const known = Object.keys(PRESETS).map((name) => {
    const { maxLatencyMs, eventsPerDay, cost } = readDemand(name, {}, [])
    const latency = formatDuration(maxLatencyMs)
    return [name, periods[latency] ?? latency, grouped(eventsPerDay), cost]
  })
  expect(told).toEqual(known)
})
