import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mulberry32 } from '../../bench/payments.ts'
import { tidemark } from '../../support/command-line.ts'
import { ROOT } from '../../support/paths.ts'

// Batches of orders, and what they have written.

export const ORDERS = join(ROOT, 'test/fixtures/topologies/orders.ts')

/** Orders of nine shops, some of them late or invalid. */
export function orders(count: number): string[] {
  const random = mulberry32(5)
  return Array.from({ length: count }, (_, i) => {
    const lateMs = random() * (random() < 0.1 ? 60_000 : 5_000)
    const order = {
      id: String(i).padStart(4, '0'),
      shop: `s-${Math.floor(random() * 9)}`,
      country: [null, 'DE', 'FR', 'NL'][Math.floor(random() * 4)],
      amount: Math.floor(random() * 20) / 4 - (random() < 0.02 ? 9 : 0),
      at: Date.UTC(2026, 0, 1) + Math.floor(i * 500 - lateMs),
      ...(random() < 0.3 && { isGift: random() < 0.5 }),
    }
    return JSON.stringify(order)
  })
}
export const LINES = orders(400)
export const INPUT = `${LINES.join('\n')}\n`

/** Runs a batch; the output is in the folder. */
export async function batch(topology: string, folder: string, ...args: readonly string[]) {
  const ended = await tidemark(['batch', topology, '--output', join(folder, 'out'), ...args])
  // A batch that did not throw says how it ended as a process does.
  const code = Number(process.exitCode ?? ended.code)
  process.exitCode = undefined
  return { ...ended, code }
}

export type Line = Readonly<Record<string, unknown>>

export function parsed(path: string): Line[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Line)
}

/** The lines of a folder of an output, by part, without what differs each time. */
export function partsOf(folder: string): Record<string, Line[]> {
  if (!existsSync(folder)) return {}
  const names = (readdirSync(folder, { recursive: true }) as string[]).sort()
  const parts = names.filter((name) => name.endsWith('.ndjson'))
  return Object.fromEntries(
    parts.map((name) => {
      const lines = parsed(join(folder, name))
      return [name, lines.map(({ 'tidemark-scored-at': _at, ...line }) => line)]
    }),
  )
}

/** `37 LATE`, of each dead letter. */
export const placesOf = (dead: readonly Line[], row: string) =>
  dead.map((of) => `${String(of[row])} ${String(of['code'])}`).sort()
