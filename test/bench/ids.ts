import { Command } from 'commander'
import { ListedRecords } from '../../src/connect/log-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { RecordDecoder } from '../../src/runtime/partition/record-decoder.ts'
import type { Definition, SinkStep, Step } from '../../src/topology/definition.ts'
import { engineFor } from '../engine/engine-for.ts'
import { whole } from '../engine/whole.ts'
import { jsonFormatOf } from '../support/format.ts'
import { collected } from './collected.ts'
import { figure, machine } from './figures.ts'
import w1 from './topologies/w1.ts'

// Measures a dedupe step: the CPU time that it adds to an event, and the memory of an id. Payments
// are decoded and pass the step, one in ten of them twice, with ids as long as a UUID. Without
// Kafka, one partition. One JSON line on stdout. npx tsx test/bench/ids.ts [--events 2000000]
// [--keys 100000] [--within 600] [--rate 2000]

const CHUNK = 2_000
const UNCUT = new Slices(() => 0)
const START_MS = Date.UTC(2026, 0, 1)
/** One payment of so many is sent again at once. */
const AGAIN = 10
const ID_LENGTH = 36

const sink: SinkStep = { op: 'sink', name: 'out', topic: 'out', key: null }

function topologyOf(then: readonly Step[]): Definition {
  return { ...w1, then }
}

/** The topology with a dedupe step, in seconds of event time. */
function once(within: number): Definition {
  const by = (p: unknown) => (p as { paymentId: string }).paymentId
  const dedupe = { op: 'dedupe', name: 'dedupe', by, withinMs: within * 1_000 } as const
  return topologyOf([{ ...dedupe, then: [sink] }])
}

/** Payments, as a chunk of records. */
function chunkOf(from: number, { keys, rate }: Flags): LogRecord[] {
  return Array.from({ length: CHUNK }, (_, i) => {
    const n = from + i
    const id = n % AGAIN === AGAIN - 1 ? n - 1 : n
    const paidAt = START_MS + Math.floor((id / rate) * 1_000)
    const cardId = `c-${(id * 7_919) % keys}`
    const payment = {
      paymentId: `p-${id}`.padEnd(ID_LENGTH, 'x'),
      cardId,
      merchantId: `m-${id % 1_000}`,
      category: 'category',
      country: 'DE',
      amount: (id % 10_000) / 100,
      paidAt,
    }
    const value = Buffer.from(JSON.stringify(payment))
    return { offset: n, timestampMs: paidAt, key: Buffer.from(cardId), value, headers: [] }
  })
}

interface Measured {
  readonly microsPerEvent: number
  readonly duplicates: number
  readonly engine: Engine
}

/** Runs all events; measures the second half. */
function measure(definition: Definition, flags: Flags): Measured {
  const format = jsonFormatOf(once(flags.within))
  const engine = engineFor(definition, { reader: format.reader })
  const { keyNumbers } = engine
  const decoder = new RecordDecoder(definition.source, format, {
    from: { topic: 'events', partition: 0 },
    partitions: null,
    keyNumbers,
  })
  let micros = 0
  let duplicates = 0
  for (let from = 0; from < flags.events; from += CHUNK) {
    const { batch } = atOnce(decoder.decode(new ListedRecords(chunkOf(from, flags)), UNCUT))
    const before = process.cpuUsage()
    duplicates += whole(engine.process(batch)).duplicates.length
    const { user, system } = process.cpuUsage(before)
    if (from >= flags.events / 2) micros += user + system
  }
  return { microsPerEvent: micros / (flags.events / 2), duplicates, engine }
}

interface Flags {
  readonly events: number
  readonly keys: number
  readonly within: number
  readonly rate: number
}

const command = new Command('ids.ts')
  .option('--events <n>', 'payments', Number, 2_000_000)
  .option('--keys <n>', 'cards', Number, 100_000)
  .option('--within <s>', 'how long an id is remembered', Number, 600)
  .option('--rate <n>', 'payments per second of event time', Number, 2_000)
  .parse()
const flags = command.opts<Flags>()
const plain = measure(topologyOf([sink]), flags)
const before = collected()
const { microsPerEvent, duplicates, engine } = measure(once(flags.within), flags)
const after = collected()
const per = (bytes: number) => figure(bytes / engine.use.texts, 0)
const measured = {
  microsPerEvent: figure(microsPerEvent, 3),
  microsWithout: figure(plain.microsPerEvent, 3),
  duplicates,
  ids: engine.use.texts,
  // Includes the bytes of the keys.
  bytesPerId: {
    told: per(engine.use.bytes),
    heap: per(after.heap - before.heap),
    outside: per(after.outside - before.outside),
    rss: per(after.rss - before.rss),
  },
}
console.log(JSON.stringify({ ...flags, ...measured, machine: machine() }))
