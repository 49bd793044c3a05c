import { Command } from 'commander'
import { BatchEncoder } from '../../src/connect/kafka/codec/encode.ts'
import type { LogRecords } from '../../src/connect/port.ts'
import { wantedFields } from '../../src/engine/author-functions.ts'
import type { Format } from '../../src/formats/format.ts'
import { openFormat } from '../../src/formats/open-format.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { HandRegistry } from '../formats/registry/hand-registry.ts'
import { decodeRecords, encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { figure, machine } from './figures.ts'
import { wholeNumber } from './flags.ts'
import { paymentRecords } from './input.ts'
import w1 from './topologies/w1.ts'
import w1Registry from './topologies/w1-registry.ts'
import { encoderOf, ID, libraryOf, PREFIX, schemaOf, VALUES, type Values } from './values.ts'

// Measures the cost of a payment from a record's value to columns, in each format that values may
// have, and what the formats' libraries alone take to make an object of it. One process; the ways
// take turns. One JSON line on stdout.
//   npx tsx --conditions tidemark-source test/bench/decode.ts [--events 50000] [--rounds 11]

const CHUNK = 2_000
const WRITTEN = { maxBytes: 2 ** 30, producer: NO_PRODUCER, compression: 'none' } as const
const READ = { partition: 'payments-0', fromOffset: 0, aborted: [] }
const UNCUT = new Slices(() => 0)

/** Payments as they come from a broker, a chunk each. */
type Chunks = readonly LogRecords[]

/** Decodes all records once. */
type Way = (chunks: Chunks) => void

function chunksIn(values: Values, events: number): Chunks {
  const encode = encoderOf(values)
  const encoder = new BatchEncoder()
  const payments = paymentRecords('payments', events)
  return Array.from({ length: Math.ceil(events / CHUNK) }, () => {
    const records = payments.next(CHUNK).map((of) => ({ ...of, value: encode(of.value as Buffer) }))
    const [batch] = encodeBatches(records, WRITTEN, encoder)
    return decodeRecords(Buffer.from(batch?.bytes ?? []), READ)
  })
}

async function formatOf(values: Values): Promise<Format> {
  if (values === 'json') {
    return openFormat(w1.source, { wanted: wantedFields(w1), registry: null })
  }
  const registry = new HandRegistry()
  registry.add(ID, { type: values, text: schemaOf(values) })
  return openFormat(w1Registry.source, { wanted: wantedFields(w1Registry), registry })
}

/** From values to columns, as a worker does it. */
async function columnsOf(values: Values, chunks: Chunks): Promise<Way> {
  const format = await formatOf(values)
  const how = { clock: { elapsedMs: () => 0 }, mayGiveUp: false }
  for (const chunk of chunks) await format.prepare(chunk, how)
  const from = { topic: 'payments', partition: 0 }
  return (all) => {
    for (const records of all) atOnce(format.decode({ from, records }, UNCUT))
  }
}

/** From values to objects, which nobody checks. */
function objectsOf(values: Values): Way {
  const decode =
    values === 'json'
      ? (value: Buffer) => JSON.parse(String(value)) as unknown
      : withoutId(libraryOf(values).decode)
  return (chunks) => {
    for (const chunk of chunks) {
      for (const { value } of chunk) decoded(decode, value as Buffer)
    }
  }
}

function withoutId(decode: (payload: Buffer) => unknown) {
  return (value: Buffer) => decode(value.subarray(PREFIX.length))
}

/** Some payments are malformed. */
function decoded(decode: (value: Buffer) => unknown, value: Buffer): unknown {
  try {
    return decode(value)
  } catch {
    return null
  }
}

interface Measured {
  readonly values: Values
  readonly chunks: Chunks
  readonly ways: readonly { readonly to: string; readonly run: Way; readonly took: number[] }[]
}

async function measured(values: Values, events: number): Promise<Measured> {
  const chunks = chunksIn(values, events)
  const ways = [
    { to: 'columns', run: await columnsOf(values, chunks), took: [] },
    { to: 'objects', run: objectsOf(values), took: [] },
  ]
  return { values, chunks, ways }
}

const WARM_UP_ROUNDS = 2
const command = new Command('decode.ts')
  .option('--events <n>', 'payments', wholeNumber, 50_000)
  .option('--rounds <n>', 'how often each way decodes them', wholeNumber, 11)
  .parse()
const { events, rounds } = command.opts<{ events: number; rounds: number }>()
const all = await Promise.all(VALUES.map((values) => measured(values, events)))
for (let round = 0; round < WARM_UP_ROUNDS + rounds; round++) {
  for (const { chunks, ways } of all) {
    for (const { run, took } of ways) {
      const before = process.cpuUsage()
      run(chunks)
      const { user, system } = process.cpuUsage(before)
      if (round >= WARM_UP_ROUNDS) took.push((user + system) / events)
    }
  }
}
const median = (took: readonly number[]) => took.toSorted((a, b) => a - b)[rounds >> 1] ?? null
const cpuMicrosPerEvent = Object.fromEntries(
  all.map(({ values, ways }) => [
    values,
    Object.fromEntries(ways.map(({ to, took }) => [to, figure(median(took), 3)])),
  ]),
)
console.log(JSON.stringify({ events, rounds, cpuMicrosPerEvent, machine: machine() }))
