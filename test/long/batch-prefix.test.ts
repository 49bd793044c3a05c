import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mulberry32 } from '../bench/payments.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// No row knows of what came after its event: the rows of the first part of an input are the first
// rows of all of it. The table of these orders has rates that change while they come.

const ORDERS = join(ROOT, 'test/fixtures/topologies/orders.ts')
const CUTS = 10

async function rowsOf(folder: string, lines: readonly string[]): Promise<Map<string, string[]>> {
  const [input, output] = [join(folder, 'in.ndjson'), join(folder, 'out')]
  writeFileSync(input, lines.map((line) => `${line}\n`).join(''))
  const flags = ['--input', input, '--output', output, '--overwrite', '--rows', '--with', 'id']
  expect((await tidemark(['batch', ORDERS, ...flags])).code).toBe(0)
  const parts = readdirSync(output).includes('rows') ? readdirSync(join(output, 'rows')) : []
  return new Map(
    parts.map((part) => {
      return [
        part,
        readFileSync(join(output, 'rows', part), 'utf8')
          .split('\n')
          .slice(0, -1),
      ]
    }),
  )
}

test('the rows of the first events are the first rows, wherever the input is cut', async () => {
  const random = mulberry32(3)
  const lines = Array.from({ length: 600 }, (_, i) =>
    JSON.stringify({
      id: String(i),
      shop: `s-${Math.floor(random() * 9)}`,
      country: [null, 'DE', 'FR'][Math.floor(random() * 3)],
      amount: Math.floor(random() * 20) / 4,
      at: Date.UTC(2026, 0, 1) + Math.floor(i * 400 - random() * 40_000),
    }),
  )
  const folder = folderWith({})
  const all = await rowsOf(folder, lines)
  const rates = [...all.values()].flat().map((row) => (JSON.parse(row) as { rate: number }).rate)
  expect(new Set(rates)).toEqual(new Set([null, 1, 2, 3]))
  for (let cut = 0; cut < CUTS; cut++) {
    const events = Math.floor(random() * lines.length)
    const some = await rowsOf(folder, lines.slice(0, events))
    expect([...some.values()].flat().length).toBeGreaterThanOrEqual(Math.floor(events / 2))
    for (const [part, rows] of some) expect(rows).toEqual(all.get(part)?.slice(0, rows.length))
  }
})
