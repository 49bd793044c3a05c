import { Command } from 'commander'
import { BatchEncoder } from '../../src/connect/kafka/codec/encode.ts'
import type { LogRecords, NewRecord } from '../../src/connect/port.ts'
import type { RunMode } from '../../src/engine/run.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { RecordDecoder } from '../../src/runtime/partition/record-decoder.ts'
import type {
  Definition,
  FeatureDefinition,
  FeaturesStep,
  ScoreStep,
} from '../../src/topology/definition.ts'
import { engineFor } from '../engine/engine-for.ts'
import { whole } from '../engine/whole.ts'
import { decodeRecords, encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { jsonFormatOf } from '../support/format.ts'
import { withModel } from '../support/score-steps.ts'
import { figure, machine } from './figures.ts'
import { paymentRecords } from './input.ts'
import { mulberry32 } from './payments.ts'
import w1 from './topologies/w1.ts'

// Measures how the cost of an event on W1, from its bytes to its feature row, scales with more
// events, more windows, or more events of one card; and without a row, as in a replay. Without
// Kafka and scoring. One process, one partition. One JSON line on stdout. npx tsx
// test/bench/scaling.ts [--events 300000]

const CHUNK = 2_000
const CARDS = 100_000
const MINUTE_MS = 60_000
/** Lengths of the windows that are added to the three of W1, for 24 in all. */
const MORE_MINUTES = [1, 2, 3, 10, 15, 20, 30, 45, 90, 120, 180, 240, 300, 360, 420, 480, 540]
const EVEN_MORE_MINUTES = [600, 720, 900, 1_200]
/** Share of the events at the start that is run but not counted: code is compiled, windows fill. */
const WARM_UP = 0.3
const UNCUT = new Slices(() => 0)
const WRITTEN = { maxBytes: 2 ** 30, producer: NO_PRODUCER, compression: 'none' } as const
const READ = { partition: 'payments-0', fromOffset: 0, aborted: [] }

interface Case {
  readonly events: number
  /** @default W1 */
  readonly topology?: Definition
  /** Share of the events that are of one card; the other cards are drawn evenly. @default 0 */
  readonly hot?: number
  /** @default 'live' */
  readonly mode?: RunMode
}

/** CPU time of the process, µs an event. */
function microsOf({ events, topology = w1, hot = 0, mode = 'live' }: Case): number {
  const format = jsonFormatOf(topology)
  const engine = engineFor(topology, { reader: format.reader })
  const { keyNumbers } = engine
  const decoder = new RecordDecoder(topology.source, format, {
    from: { topic: 'events', partition: 0 },
    partitions: null,
    keyNumbers,
  })
  let [taken, counted, micros] = [0, 0, 0]
  for (const chunk of chunksOf(events, hot)) {
    const start = process.cpuUsage()
    whole(engine.process(atOnce(decoder.decode(chunk, UNCUT)).batch, mode))
    const { user, system } = process.cpuUsage(start)
    taken += chunk.length
    if (taken <= WARM_UP * events) continue
    micros += user + system
    counted += chunk.length
  }
  return micros / counted
}

function* chunksOf(events: number, hot: number): Generator<LogRecords> {
  const payments = paymentRecords('payments', events)
  const encoder = new BatchEncoder()
  const random = mulberry32(1)
  for (let left = events; left > 0; left -= CHUNK) {
    const records = payments.next(Math.min(CHUNK, left)).map((record) => {
      return withCard(record, random() < hot ? 0 : Math.floor(random() * CARDS))
    })
    const [batch] = encodeBatches(records, WRITTEN, encoder)
    yield decodeRecords(Buffer.from(batch?.bytes ?? []), READ)
  }
}

function withCard(record: NewRecord, card: number): NewRecord {
  const id = `c-${String(card).padStart(6, '0')}`
  const value = String(record.value).replace(/"cardId":"[^"]*"/, `"cardId":"${id}"`)
  return { ...record, key: Buffer.from(id), value: Buffer.from(value) }
}

/** W1 with the count and the sum of 21 more windows. */
function withWindows(): Definition {
  const [step] = w1.then as [FeaturesStep]
  const [score] = step.then as [ScoreStep]
  const more = [...MORE_MINUTES, ...EVEN_MORE_MINUTES].flatMap((minutes): FeatureDefinition[] => {
    const from = { kind: 0, from: 'rolling', lengthMs: minutes * MINUTE_MS } as const
    return [
      { name: `count${minutes}m`, ...from, aggregate: { of: 'count' } },
      { name: `sum${minutes}m`, ...from, aggregate: { of: 'sum', column: 'amount' } },
    ]
  })
  const features = [...step.features, ...more]
  const scoring = withModel(score, { features: features.map(({ name }) => name) })
  return { ...w1, then: [{ ...step, features, then: [scoring] }] }
}

const command = new Command('scaling.ts')
  .option('--events <n>', 'payments', Number, 300_000)
  .parse()
const { events } = command.opts<{ events: number }>()
microsOf({ events: Math.min(events, 100_000) })
const cases: Readonly<Record<string, Case>> = {
  even: { events },
  threeTimesAsMany: { events: 3 * events },
  ninetyPercentOnOneCard: { events, hot: 0.9 },
  windows24: { events, topology: withWindows() },
  withoutRows: { events, mode: 'replay' },
}
const told = Object.entries(cases).map(([name, one]) => [name, microsOf(one)] as const)
const [[, even]] = told as [(typeof told)[number]]
const cpuMicrosPerEvent = Object.fromEntries(
  told.map(([name, micros]) => [name, figure(micros, 2)]),
)
const ratio = Object.fromEntries(told.map(([name, micros]) => [name, figure(micros / even, 2)]))
console.log(JSON.stringify({ events, cpuMicrosPerEvent, ratio, machine: machine() }))
