import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { topic } from 'tidemark'
import { z } from 'zod'
import { ListedRecords } from '../../src/connect/log-records.ts'
import type { Chunk, Followed } from '../../src/connect/port.ts'
import { jsonFormat } from '../../src/formats/json-format.ts'
import { wallClock } from '../../src/kernel/clock.ts'
import { Slices } from '../../src/kernel/slices.ts'
import { LoadedTable, TableRoom } from '../../src/lookup/table.ts'
import { tableFormat } from '../../src/runtime/tables/open-tables.ts'
import { TopicTable } from '../../src/runtime/tables/topic-table.ts'
import type { TableDefinition } from '../../src/topology/definition.ts'
import { HASH } from '../support/hash.ts'

// A table of a million rows without a broker: how long it takes to load, the memory that it adds,
// and how long the event loop is held up while 5,000 updates a second come. Goals: 10 s, 250 MB.
//   node --expose-gc --import tsx --conditions tidemark-source test/bench/tables.ts

const ROWS = 1_000_000
const CHUNK = 2_000
const UPDATES_PER_SECOND = 5_000
const FOLLOW_S = 20

const schema = z.object({ name: z.string(), category: z.string(), risk: z.number() })
const definition: TableDefinition = {
  ...{ name: 'merchants', schema, format: { is: 'json' }, key: null, asOf: null },
  from: topic('merchants'),
}

function chunkFrom(offset: number, count: number): Chunk {
  const records = Array.from({ length: count }, (_, i) => {
    const row = { name: `Merchant ${offset + i}`, category: 'groceries', risk: (i % 1_000) / 1_000 }
    const key = Buffer.from(`m-${(offset + i) % ROWS}`)
    const value = Buffer.from(JSON.stringify(row))
    return { offset: offset + i, timestampMs: 0, key, value, headers: [] }
  })
  const nextOffset = offset + count
  const place = { topic: 'merchants', partition: 0, epoch: 0 }
  return { ...place, records: new ListedRecords(records), nextOffset, endOffset: nextOffset }
}

/** All rows at once, then updates at their pace. */
async function* chunks(): AsyncGenerator<Chunk> {
  for (let offset = 0; offset < ROWS; offset += CHUNK) yield chunkFrom(offset, CHUNK)
  const count = UPDATES_PER_SECOND / 50
  for (let i = 0; i < FOLLOW_S * 50; i++) {
    await sleep(20)
    yield chunkFrom(ROWS + i * count, count)
  }
}

function followed(): Followed {
  return {
    ranges: new Map([[0, { nextOffset: 0, endOffset: ROWS }]]),
    [Symbol.asyncIterator]: chunks,
    close: async () => {},
  }
}

const megabytes = () => {
  globalThis.gc?.()
  return process.memoryUsage().rss / 1e6
}

const source = { ...definition, topic: 'merchants', onTombstone: 'dead-letter' } as const
const format = tableFormat(jsonFormat(source, []))
const parts = { label: 'merchants', make: format.make, room: new TableRoom(1e9), hash: HASH }
const table = new LoadedTable(definition, parts)
const before = megabytes()
const startMs = performance.now()
const of = new TopicTable(table, format, {
  records: { topics: { follow: async () => followed() } },
  clock: wallClock,
  random: Math.random,
  slices: new Slices(),
  hash: HASH,
  observer: () => {},
})
void of.run()
await of.loaded
const loadS = (performance.now() - startMs) / 1_000
console.log(`load: ${loadS.toFixed(1)} s, ${(megabytes() - before).toFixed(0)} MB more`)
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
await sleep((FOLLOW_S - 1) * 1_000)
of.stop()
const [median, longest] = [delay.percentile(50) / 1e6, delay.max / 1e6]
console.log(
  `following: ${(megabytes() - before).toFixed(0)} MB more, event loop ${median.toFixed(1)} ms median, ${longest.toFixed(1)} ms longest`,
)
process.exit()
