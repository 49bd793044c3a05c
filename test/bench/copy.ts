import { randomUUID } from 'node:crypto'
import { Command, InvalidArgumentError } from 'commander'
import { Kafka, logLevel } from 'kafkajs'
import { EXIT } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { showProgress } from '../../src/cli/progress.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { Guarantee } from '../../src/connect/port.ts'
import { grouped } from '../../src/kernel/wording.ts'
import { startKafka } from '../services/start-kafka.ts'
import { type Content, differences } from './copy/checksums.ts'
import { CLIENTS, type Client, runClient } from './copy/client.ts'
import { Input } from './copy/input.ts'
import type { Pass } from './copy/pass.ts'
import { readBack } from './copy/read-back.ts'
import { type Figure, figure, machine } from './figures.ts'
import { brokerList, wholeNumber } from './flags.ts'
import { table } from './table.ts'

// Measures what Kafka clients need to copy a topic without looking into the records; see
// RESULTS.md. npx tsx test/bench/copy.ts [--records 1000000] [--bytes 150] [--partitions 6]
// [--interval 100] [--clients ours,kafkajs,java]
//     [--guarantees at-least-once,exactly-once] [--kafkajs-records 200000] [--brokers host:port]

const GUARANTEES = ['at-least-once', 'exactly-once'] as const satisfies readonly Guarantee[]
const RECORDS_PER_SEND = 6_000
/** The first pass compiles code; the Java client is warm from the third on. */
const PASSES = 4

interface Flags {
  readonly records: number
  readonly kafkajsRecords: number
  readonly bytes: number
  readonly partitions: number
  readonly interval: number
  readonly clients: readonly Client[]
  readonly guarantees: readonly Guarantee[]
  readonly brokers?: readonly string[]
}

/** A client's figures under a guarantee, pass by pass. */
interface Row {
  readonly client: Client
  readonly guarantee: Guarantee
  readonly records: number
  readonly cpuMicrosPerRecord: readonly Figure[]
  readonly recordsPerSecond: readonly Figure[]
  readonly commits: readonly number[]
  /** The differences between the copies and the input. */
  readonly faults: readonly string[]
}

class CopyBench {
  readonly #flags: Flags
  readonly #brokers: readonly string[]
  readonly #records: KafkaRecords
  readonly #run = `copy-${randomUUID().slice(0, 8)}`
  readonly #topics: string[] = []
  /** By number of records. */
  readonly #inputs = new Map<number, { topic: string; contents: readonly Content[] }>()

  constructor(flags: Flags, brokers: readonly string[]) {
    this.#flags = flags
    this.#brokers = brokers
    this.#records = new KafkaRecords({ brokers, clientId: this.#run })
  }

  async rows(): Promise<Row[]> {
    const rows: Row[] = []
    try {
      for (const guarantee of this.#flags.guarantees) {
        for (const client of this.#flags.clients) rows.push(await this.#row(client, guarantee))
      }
    } finally {
      await this.#records.close()
      await this.#deleteTopics()
    }
    return rows
  }

  async #row(client: Client, guarantee: Guarantee): Promise<Row> {
    const { records: most, kafkajsRecords, interval } = this.#flags
    const records = client === 'kafkajs' ? Math.min(most, kafkajsRecords) : most
    const input = await this.#input(records)
    const outputs = Array.from(
      { length: PASSES },
      (_, pass) => `${this.#run}-${client}-${guarantee}-${pass + 1}`,
    )
    await this.#create(outputs)
    say(`${client}, ${guarantee}: ${grouped(records)} records`)
    const passes = await runClient(client, {
      brokers: this.#brokers,
      guarantee,
      intervalMs: interval,
      records,
      input: input.topic,
      outputs,
    })
    const faults: string[] = []
    for (const output of outputs) {
      const copy = await readBack(this.#brokers, output)
      faults.push(...differences(input.contents, copy).map((what) => `${output}: ${what}`))
    }
    return { client, guarantee, records, ...figuresOf(passes), faults }
  }

  /** The input topic with this many records; filled on first use. */
  async #input(records: number): Promise<{ topic: string; contents: readonly Content[] }> {
    const known = this.#inputs.get(records)
    if (known !== undefined) return known
    const { bytes, partitions } = this.#flags
    const topic = `${this.#run}-input-${records}`
    await this.#create([topic])
    const input = new Input({ topic, records, bytes, partitions })
    await this.#fill(input)
    const filled = { topic, contents: input.contents }
    this.#inputs.set(records, filled)
    return filled
  }

  async #fill(input: Input): Promise<void> {
    const writer = this.#records.writer()
    const { records } = input.options
    let sent = 0
    const endProgress = showProgress(() => sent)
    try {
      while (sent < records) {
        const some = input.next(RECORDS_PER_SEND)
        await writer.write(some)
        sent += some.length
      }
    } finally {
      endProgress()
      await writer.close()
    }
  }

  async #create(names: readonly string[]): Promise<void> {
    const { partitions } = this.#flags
    await this.#records.create(names.map((name) => ({ name, partitions })))
    this.#topics.push(...names)
  }

  async #deleteTopics(): Promise<void> {
    const admin = new Kafka({ brokers: [...this.#brokers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: this.#topics })
    await admin.disconnect()
  }
}

function figuresOf(
  passes: readonly Pass[],
): Pick<Row, 'cpuMicrosPerRecord' | 'recordsPerSecond' | 'commits'> {
  return {
    cpuMicrosPerRecord: passes.map(({ cpuMicros, records }) => figure(cpuMicros / records, 2)),
    recordsPerSecond: passes.map(({ records, wallMs }) => figure((records / wallMs) * 1_000, 0)),
    commits: passes.map(({ commits }) => commits),
  }
}

function sayTable(rows: readonly Row[]): void {
  const lines = [
    ['client', 'guarantee', 'records', 'CPU µs/record', 'records/s', 'commits', 'copies'],
    ...rows.map((row) => [
      row.client,
      row.guarantee,
      grouped(row.records),
      ...[row.cpuMicrosPerRecord, row.recordsPerSecond, row.commits].map((of) => of.join(', ')),
      row.faults.length === 0 ? 'right' : 'WRONG',
    ]),
  ]
  say('figures of each pass in order: the first compiles, the last is warm')
  for (const line of table(lines, { right: [] })) say(line)
  for (const { faults } of rows) for (const fault of faults) say(fault)
}

async function measure(flags: Flags): Promise<void> {
  const kafka = flags.brokers === undefined ? await startKafka() : null
  const brokers = flags.brokers ?? kafka?.service.brokers ?? []
  try {
    const rows = await new CopyBench(flags, brokers).rows()
    sayTable(rows)
    const { bytes, partitions, interval: intervalMs } = flags
    console.log(
      JSON.stringify({ mode: 'copy', bytes, partitions, intervalMs, rows, machine: machine() }),
    )
    if (rows.some(({ faults }) => faults.length > 0)) process.exitCode = EXIT.failed
  } finally {
    await kafka?.stop()
  }
}

/** Parses a comma-separated list of known names. */
function someOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((name) => {
      const found = known.find((one) => one === name)
      if (found === undefined) throw new InvalidArgumentError(`some of ${known.join(',')}`)
      return found
    })
}

const command = new Command('copy.ts')
  .option('--records <n>', 'in the input topic', wholeNumber, 1_000_000)
  .option('--kafkajs-records <n>', 'the most that kafkajs copies', wholeNumber, 200_000)
  .option('--bytes <n>', 'of a key and a value together', wholeNumber, 150)
  .option('--partitions <n>', 'of every topic', wholeNumber, 6)
  .option('--interval <ms>', 'between commits', wholeNumber, 100)
  .option('--clients <list>', 'one after the other', someOf(CLIENTS), [...CLIENTS])
  .option('--guarantees <list>', 'one after the other', someOf(GUARANTEES), [...GUARANTEES])
  .option('--brokers <list>', 'host:port,… (default: a broker of its own)', brokerList)
  .parse()

try {
  await measure(command.opts<Flags>())
} catch (error) {
  console.error(error)
  process.exitCode = EXIT.failed
}
