import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runWorker } from 'tidemark'
import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { seeded } from '../../src/kernel/random.ts'
import { minutes, seconds } from '../../src/kernel/time.ts'
import { withTopics } from '../../src/topology/graph.ts'
import sales from '../fixtures/topologies/sales.ts'
import { Watch } from '../runtime/support.ts'
import { freshName, freshTopics, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { headerOf } from '../support/headers.ts'

// What a live worker computes, cell by cell, is what `batch --rows` makes of the exported log and of
// the exported rows of tables. TIDEMARK_TEST_EVENTS=40000 makes more than 500,000 cells.

const EVENTS = Number(process.env['TIDEMARK_TEST_EVENTS'] ?? 2_000)
/** The tables change between these parts; each part's events are later than what was seen before. */
const PARTS = 4
const PARTITIONS = 3
const START_MS = Date.UTC(2026, 0, 1)
const GAP_MS = 100
const SHOPS = 40
const CURRENCIES = ['EUR', 'USD', 'JPY', 'CHF']

type Row = readonly [key: string | null, value: object | null, timestampMs: number]
type Cells = Readonly<Record<string, unknown>>

/** What is written in a part of the log: first the rows of tables, then sales. */
interface Part {
  readonly terms: readonly Row[]
  readonly rates: readonly Row[]
  readonly sales: readonly object[]
}

function* partsOf(random: () => number): Generator<Part> {
  const chosen = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)] as T
  const shops = Array.from({ length: SHOPS }, (_, i) => `s-${i}`)
  const size = Math.ceil(EVENTS / PARTS)
  let [sale, version, written] = [0, 0, START_MS]
  for (let part = 0; part < PARTS; part++) {
    const fromMs = START_MS + part * size * GAP_MS
    // In any order: a version may be older than the one before it.
    const validFrom = () => fromMs + Math.floor(random() * size * GAP_MS)
    const terms: Row[] = []
    const rates: Row[] = []
    let rowMs = 0
    for (let i = 0; i < size / 10; i++) {
      const row = { shop: chosen(shops), from: validFrom(), fee: Math.fround(random()) }
      // Every fifth record has no key, so that its version stays.
      const key = i % 5 === 0 ? null : `${row.shop}|${version++}`
      terms.push([key, row, written++])
      const earlier = chosen(terms)[0]
      if (random() < 0.2 && earlier !== null) terms.push([earlier, null, written++])
      // A tombstone in a file has the time of the row before it.
      const isEnd = rowMs > 0 && random() < 0.2
      if (!isEnd) rowMs = validFrom()
      rates.push([chosen(CURRENCIES), isEnd ? null : { from: rowMs, rate: random() }, rowMs])
    }
    const ofPart = Array.from({ length: size }, (_, i) => {
      // Some are out of order, and some late.
      const behindMs = random() < 0.1 ? random() * minutes(3) : random() * seconds(20)
      return {
        ...{ id: `e-${sale++}`, shop: chosen(shops), buyer: chosen(shops) },
        ...{ currency: chosen([...CURRENCIES, 'none', null]), amount: random() * 20 },
        at: Math.max(START_MS, Math.floor(fromMs + i * GAP_MS - behindMs)),
      }
    })
    yield { terms, rates, sales: ofPart }
  }
}

const recordOf = (topic: string, [key, value, timestampMs]: Row): NewRecord => ({
  ...{ topic, partition: null, timestampMs, headers: [] },
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(JSON.stringify(value)),
})

const linesOf = (rows: readonly Row[]) =>
  rows.map(([key, value]) => {
    return `${key === null ? '' : `${key}\t`}${value === null ? '' : JSON.stringify(value)}\n`
  })

kafkaTest(
  'every cell of a training row is what a live worker has computed, with tables as of event time',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => records.close())
    const names = ['sales', 'risks', 'sales.dlq', 'terms', 'rates'] as const
    const { topics } = await freshTopics(records, names, PARTITIONS)
    const writer = records.writer()
    onTestFinished(() => writer.close())
    const watch = new Watch()
    const worker = await runWorker(withTopics(sales, new Map(Object.entries(topics))), {
      ...{ brokers: kafka.brokers, group: freshName('live'), observer: watch.observer },
    })
    onTestFinished(() => worker.stop())
    const tables = { terms: [] as string[], rates: [] as string[] }
    let [rows, events] = [0, 0]
    for (const part of partsOf(seeded(1))) {
      for (const name of ['terms', 'rates'] as const) {
        await writer.write(part[name].map((row) => recordOf(topics[name], row)))
        tables[name].push(...linesOf(part[name]))
        rows += part[name].length
      }
      await watch.until(() => sum(watch.of('table-read').map((read) => read.records)) === rows)
      const keyed = part.sales.map(
        (sale) => [String((sale as Cells)['shop']), sale, START_MS] as const,
      )
      await writer.write(keyed.map((sale) => recordOf(topics.sales, sale)))
      events += part.sales.length
      await watch.until(
        () =>
          sum(watch.of('processed').flatMap(({ outcomes }) => Object.values(outcomes))) === events,
      )
    }
    await worker.stop()

    const log: string[] = []
    for await (const chunk of await records.read({
      topic: topics.sales,
      from: 'earliest',
      until: 'end',
    })) {
      for (const { offset, value } of chunk.records) {
        const place = { partition: chunk.partition, offset }
        log.push(`${JSON.stringify({ ...(JSON.parse(String(value)) as object), ...place })}\n`)
      }
    }
    const folder = folderWith({
      'sales.ndjson': log.join(''),
      'terms.tsv': tables.terms.join(''),
      'rates.tsv': tables.rates.join(''),
    })
    const at = (name: string) => join(folder, name)
    const ended = await tidemark([
      ...['batch', 'test/fixtures/topologies/sales.ts', '--input', at('sales.ndjson')],
      ...['--partition-column', 'partition', '--offset-column', 'offset', '--rows', '--with', 'id'],
      ...['--table', `terms=${at('terms.tsv')}`, '--table', `rates=${at('rates.tsv')}`],
      ...['--output', at('rows')],
    ])
    expect(ended).toMatchObject({ code: 0 })
    const lines = readdirSync(at('rows/rows')).flatMap((part) =>
      readFileSync(at(`rows/rows/${part}`), 'utf8')
        .trimEnd()
        .split('\n'),
    )
    const made = new Map(
      lines.map((line) => JSON.parse(line) as Cells).map((row) => [row['id'], row]),
    )
    const outputs = await readTopic(records, topics.risks)
    let [cells, differ, found] = [0, 0, 0]
    for (const output of outputs) {
      const { id, features } = JSON.parse(String(output.value)) as { id: string; features: Cells }
      const row = made.get(id) as Cells
      const isLate = headerOf(output, 'tidemark-late') !== undefined
      expect([id, row['late']]).toEqual([id, isLate])
      for (const [name, value] of Object.entries(features)) {
        cells++
        if (value !== row[name]) differ++
      }
      if (features['fee'] !== null) found++
    }
    const late = [...made.values()].filter((row) => row['late'] === true).length
    expect({ differ, rows: made.size }).toEqual({ differ: 0, rows: outputs.length })
    expect(cells).toBe(14 * outputs.length)
    expect(late).toBeGreaterThan(EVENTS / 50)
    expect(found).toBeGreaterThan(EVENTS / 4)
  },
)

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}
