import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mulberry32 } from '../bench/payments.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// No row knows of its outcome, in any order that rows take. Each attempt has an outcome, a coin that
// arrives an hour later with an event time from just before it. Features are what the card's last
// events were, and its mean outcome within a day.

const ATTEMPTS = 5_000
const PARTITIONS = 4
const HOUR_MS = 3_600_000
const WITHIN = ['--within', '2h']

const TOPOLOGY = `import { days, defineTopology, seconds } from ${JSON.stringify(join(ROOT, 'dist/index.js'))}
import { z } from ${JSON.stringify(join(ROOT, 'node_modules/zod/index.js'))}
export default defineTopology('attempts', (t) =>
  t
    .source('attempts', {
      schema: z.object({ id: z.string(), card: z.string(), at: z.int(), fraud: z.number().optional() }),
      key: (e) => e.card,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(7_200), maxAhead: 'none' },
      onLate: 'score',
    })
    .features((f) => {
      const outcomes = f.events({ fraud: { of: (e) => e.fraud, missing: 'skip' } }).rolling(days(1))
      return {
        last: outcomes.last('fraud', { empty: NaN }),
        mean: outcomes.mean('fraud', { empty: NaN }),
        count: outcomes.count(),
      }
    })
    .sink('features'),
)
`

interface Attempt {
  readonly id: string
  readonly card: string
  readonly at: number
  readonly fraud?: number
  readonly partition: number
}

/** In the order of their arrival, each with where it was in the log. */
function arrivals(random: () => number) {
  const all: (Attempt & { readonly arrivedMs: number })[] = []
  let at = Date.UTC(2026, 0, 1)
  for (let i = 0; i < ATTEMPTS; i++) {
    at += 2 + Math.floor(-3_000 * Math.log(1 - random()))
    const card = Math.floor(random() * 200)
    const own = { card: `c-${card}`, partition: card % PARTITIONS }
    const fraud = random() < 0.5 ? 1 : 0
    all.push({ id: `e${i}`, ...own, at, arrivedMs: at })
    all.push({ id: `o${i}`, ...own, at: at - 1, fraud, arrivedMs: at + HOUR_MS })
  }
  const next = new Array<number>(PARTITIONS).fill(0)
  return all
    .sort((a, b) => a.arrivedMs - b.arrivedMs)
    .map((event) => ({ ...event, offset: (next[event.partition] as number)++ }))
}

type Row = Readonly<Record<string, number | string | null>>

function rowsIn(folder: string): Row[] {
  const text = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
  const lines = text.join('').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Row)
}

/** The area under the ROC curve of a feature: Mann and Whitney's U, with half of each tie. */
function auc(rows: readonly Row[], feature: string): number {
  const sorted = rows
    .map((row) => ({ value: row[feature] as number, isFraud: row['label'] === 1 }))
    .sort((a, b) => a.value - b.value)
  let [above, frauds] = [0, 0]
  for (let from = 0, to = 0; from < sorted.length; from = to) {
    while (sorted[to]?.value === sorted[from]?.value) to++
    const own = sorted.slice(from, to).filter(({ isFraud }) => isFraud).length
    // Those that are no fraud lie below the frauds before and half of the own ones.
    above += (to - from - own) * (frauds + own / 2)
    frauds += own
  }
  return 1 - above / (frauds * (sorted.length - frauds))
}

test(`${ATTEMPTS} rows know nothing of their outcomes, in each order that is allowed`, async () => {
  const random = mulberry32(1)
  const inOrder = arrivals(random)
  // Each partition in its order, in turns by chance.
  const left = Array.from({ length: PARTITIONS }, (_, partition) =>
    inOrder.filter((event) => event.partition === partition),
  )
  const turns = inOrder.map(({ partition }) => ({ partition, by: random() }))
  const mixed = turns.sort((a, b) => a.by - b.by).map(({ partition }) => left[partition]?.shift())
  const shuffled = inOrder
    .map((event) => ({ event, by: random() }))
    .sort((a, b) => a.by - b.by)
    .map(({ event }) => event)
  const ndjson = (of: readonly unknown[]) => of.map((one) => JSON.stringify(one)).join('\n')
  const outcomes = inOrder.filter(({ fraud }) => fraud !== undefined)
  const labels = outcomes.map(({ id, fraud, arrivedMs }) => {
    return { id: `e${id.slice(1)}`, fraud, known: arrivedMs }
  })
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'attempts.ts': TOPOLOGY,
    'arrived.ndjson': ndjson(inOrder),
    'mixed.ndjson': ndjson(mixed),
    'shuffled.ndjson': ndjson(shuffled),
    'labels.ndjson': ndjson(labels),
  })
  const positions = ['--partition-column', 'partition', '--offset-column', 'offset']
  const batch = (input: string, ...order: readonly string[]) =>
    tidemark([
      ...['batch', join(folder, 'attempts.ts'), '--input', join(folder, input), ...order],
      ...['--output', join(folder, 'out'), '--overwrite', '--rows', '--with', 'fraud'],
      ...['--labels', join(folder, 'labels.ndjson'), '--label-by', 'id', '--label', 'fraud'],
      ...['--label-at', 'known', ...WITHIN],
    ])
  for (const [input, ...order] of [
    ['arrived.ndjson'],
    ['arrived.ndjson', ...positions],
    ['mixed.ndjson', ...positions],
  ] as const) {
    const { code, stderr } = await batch(input, ...order)
    expect([code, stderr]).toEqual([0, expect.any(String)])
    const rows = rowsIn(join(folder, 'out/rows')).filter(({ fraud }) => fraud === null)
    expect(rows.length).toBe(ATTEMPTS)
    expect(rows.every(({ labelState }) => labelState === 'labelled')).toBe(true)
    for (const feature of ['last', 'mean', 'count']) {
      const area = auc(
        rows.filter((row) => row[feature] !== null),
        feature,
      )
      expect([input, feature, area >= 0.48 && area <= 0.52, area]).toEqual([
        input,
        feature,
        true,
        area,
      ])
    }
  }
  const refused = await batch('shuffled.ndjson', ...positions)
  expect([refused.code, refused.stderr]).toEqual([
    3,
    expect.stringContaining('give the files in the order of the log'),
  ])
  expect((await batch('arrived.ndjson', '--order', 'time')).code).toBe(3)
})
