import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AGGREGATES } from '../../src/topology/aggregates.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { batchOf } from '../engine/batch.ts'
import { engineFor } from '../engine/engine-for.ts'
import { whole } from '../engine/whole.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'
import { EXAMPLES, moduleOfExamples, PAGE } from './aggregates-page.ts'
import { read } from './pages.ts'

const page = read(PAGE)
const DAY = Date.UTC(2026, 0, 1)
const payments = [...page.matchAll(/^\| (\d+):(\d+) \| (\d+) \| (\d+) \| (\w) \| (yes|no) \|$/gm)]

test('every aggregate has an entry, with its columns and its value without events', () => {
  expect(Object.keys(AGGREGATES).filter((name) => !page.includes(`\n### ${name}\n`))).toEqual([])
  for (const [name, { acceptsEmpty }] of Object.entries(AGGREGATES)) {
    const entry = page.split(`\n### ${name}\n`)[1]?.split('\n### ')[0] ?? ''
    expect([name, /^\| .+ \| .+ \| (0|`empty`.*) \|$/m.exec(entry)?.[1]?.slice(0, 7)]).toEqual([
      name,
      acceptsEmpty ? '`empty`' : '0',
    ])
    expect(EXAMPLES.map(({ code }) => /\.(\w+)\(/.exec(code)?.[1])).toContain(name)
  }
})

test('each example is what the page says', async () => {
  const folder = folderWith({ 'topology.ts': moduleOfExamples() })
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/tidemark'))
  symlinkSync(join(ROOT, 'node_modules/zod'), join(folder, 'node_modules/zod'))
  const { default: topology } = (await import(join(folder, 'topology.ts'))) as {
    default: Definition
  }
  expect(payments).toHaveLength(4)
  const events = payments.map(([, hour, minute, amount, fee, merchant, online]) => ({
    amount: Number(amount),
    fee: Number(fee),
    merchant,
    online: online === 'yes',
    paidAt: DAY + Number(hour) * 3_600_000 + Number(minute) * 60_000,
  }))
  const engine = engineFor(topology)
  const given = events.map((event) => ({ key: 'card', timeMs: event.paidAt, event }))
  const { arrivals, faults } = whole(engine.process(batchOf(engine, given)))
  expect(faults).toEqual([])
  const rows = arrivals[0]?.rows ?? new Float32Array()
  const last = [...rows].slice(-EXAMPLES.length)
  const apart = EXAMPLES.flatMap(({ name, wanted }, i) => {
    const value = last[i] ?? Number.NaN
    return Math.abs(value - Number(wanted)) <= 1e-6 * Math.abs(value) ? [] : [{ name, value }]
  })
  expect(EXAMPLES.length).toBeGreaterThan(18)
  expect(apart).toEqual([])
})
