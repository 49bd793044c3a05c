import { Command } from 'commander'
import { ListedRecords } from '../../src/connect/log-records.ts'
import { partitionOf } from '../../src/connect/memory/log.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { limitsOfMachine } from '../../src/runtime/machine-limits.ts'
import { RecordDecoder } from '../../src/runtime/partition/record-decoder.ts'
import { engineFor } from '../engine/engine-for.ts'
import { whole } from '../engine/whole.ts'
import { jsonFormatOf } from '../support/format.ts'
import { collected } from './collected.ts'
import { figure, machine } from './figures.ts'
import w1 from './topologies/w1.ts'

// Measures the memory of the windows of very many cards: records are decoded and enter the windows
// of as many tasks as a worker would have, within the limits of this machine. Without Kafka and
// scoring, which keep no state. One JSON line on stdout. npx tsx test/bench/keys.ts
// [--keys 5000000] [--payments 1] [--merchants 1000] [--partitions 6]

const CHUNK = 2_000
const UNCUT = new Slices(() => 0)
const START_MS = Date.UTC(2026, 0, 1)
/** Short enough that all payments are in the longest window at the end. */
const SPAN_MS = 20 * 3_600_000
const CATEGORIES = 12

const FORMAT = jsonFormatOf(w1)

/** One topology on one partition, up to its windows. */
class WindowTask {
  readonly engine: Engine
  refused = 0
  #chunk: LogRecord[] = []
  readonly #decoder: RecordDecoder

  constructor(tasks: number) {
    const { maxKeys, maxStateBytes } = limitsOfMachine()
    const limits = {
      maxKeys: Math.floor(maxKeys / tasks),
      maxBytes: Math.floor(maxStateBytes / tasks),
    }
    this.engine = engineFor(w1, { limits, reader: FORMAT.reader })
    const { keyNumbers } = this.engine
    this.#decoder = new RecordDecoder(w1.source, FORMAT, {
      from: { topic: 'events', partition: 0 },
      partitions: null,
      keyNumbers,
    })
  }

  take(record: LogRecord): void {
    this.#chunk.push(record)
    if (this.#chunk.length === CHUNK) this.flush()
  }

  flush(): void {
    const { batch } = atOnce(this.#decoder.decode(new ListedRecords(this.#chunk), UNCUT))
    const { faults } = whole(this.engine.process(batch))
    for (const { error } of faults) {
      if (error.code !== 'STATE_LIMIT') throw error
      this.refused++
    }
    this.#chunk = []
  }
}

/** Payments that go round-robin over all cards. */
function* paymentsOf({ keys: cards, payments: each, merchants }: Flags): Generator<LogRecord> {
  const count = cards * each
  for (let n = 0; n < count; n++) {
    const timestampMs = START_MS + Math.floor((n / count) * SPAN_MS)
    const cardId = `c-${n % cards}`
    const payment = {
      paymentId: `p-${n}`,
      cardId,
      merchantId: `m-${n % merchants}`,
      category: `category-${n % CATEGORIES}`,
      country: 'DE',
      amount: (n % 10_000) / 100,
      paidAt: timestampMs,
    }
    const value = Buffer.from(JSON.stringify(payment))
    yield { offset: n, timestampMs, key: Buffer.from(cardId), value, headers: [] }
  }
}

function measure(flags: Flags): object {
  const { partitions } = flags
  const before = collected()
  const tasks = Array.from({ length: partitions }, () => new WindowTask(partitions))
  for (const record of paymentsOf(flags)) {
    tasks[partitionOf({ partition: null, key: record.key }, partitions)]?.take(record)
  }
  for (const task of tasks) task.flush()
  const after = collected()
  const sum = (of: (task: WindowTask) => number) => tasks.reduce((all, task) => all + of(task), 0)
  const held = sum(({ engine }) => engine.use.keys)
  const told = sum(({ engine }) => engine.use.bytes)
  const bytesPerKey = {
    told: figure(told / held, 0),
    heap: figure((after.heap - before.heap) / held, 0),
    outside: figure((after.outside - before.outside) / held, 0),
    rss: figure((after.rss - before.rss) / held, 0),
  }
  return {
    keys: held,
    refused: sum((task) => task.refused),
    bytesPerKey,
    rssMb: figure(after.rss / 1e6, 0),
  }
}

interface Flags {
  readonly keys: number
  readonly payments: number
  readonly merchants: number
  readonly partitions: number
}

const command = new Command('keys.ts')
  .option('--keys <n>', 'cards', Number, 5_000_000)
  .option('--payments <n>', 'payments of each card', Number, 1)
  .option('--merchants <n>', 'different texts that windows keep', Number, 1_000)
  .option('--partitions <n>', 'tasks', Number, 6)
  .parse()
const flags = command.opts<Flags>()
console.log(JSON.stringify({ ...flags, ...measure(flags), machine: machine() }))
