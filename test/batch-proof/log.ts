import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { LogRecord, NewRecord } from '../../src/connect/port.ts'
import { BenchWorker } from '../bench/bench-worker.ts'
import { placeOf } from '../golden/answers.ts'
import { createTopics } from '../services/topics.ts'
import { headerOf } from '../support/headers.ts'
import type { Answer } from './answers.ts'
import type { Input } from './inputs.ts'
import type { Programs } from './programs.ts'

// An input on Kafka, and what workers there make of it.

export const PARTITIONS = 6
const RECORDS_PER_SEND = 5_000
const LOOK_EVERY_MS = 10
/** Flags of a worker that commits often, so that a kill meets it at work. */
const OFTEN = ['--max-commit-mb', '1']

/** Topics that a group writes. */
interface Made {
  readonly output: string
  readonly letter: string
  readonly flags: readonly string[]
}

interface LogOptions {
  readonly input: Input
  readonly brokers: readonly string[]
  readonly programs: Programs
}

export class Log {
  readonly #o: LogOptions
  readonly #run = `proof-${randomUUID().slice(0, 8)}`
  readonly #records: KafkaRecords
  readonly #topic: string
  /** When records were sent, some thousand at a time. */
  readonly #times: number[] = []
  #size = 0
  /** How many of its records must have an output or a dead letter. */
  answered = 0

  private constructor(options: LogOptions) {
    this.#o = options
    this.#topic = `${this.#run}-${options.input.source}`
    this.#records = new KafkaRecords({ brokers: options.brokers, clientId: this.#run })
  }

  static async fill(options: LogOptions): Promise<Log> {
    const log = new Log(options)
    await log.#create([log.#topic])
    const writer = log.#records.writer()
    let batch: NewRecord[] = []
    const send = async () => {
      if (batch[0] === undefined) return
      log.#times.push(batch[0].timestampMs)
      await writer.write(batch)
      batch = []
    }
    for await (const { isAnswered, ...event } of options.input.events()) {
      const timestampMs = batch[0]?.timestampMs ?? Date.now()
      batch.push({ topic: log.#topic, partition: null, ...event, timestampMs, headers: [] })
      log.#size++
      if (isAnswered) log.answered++
      if (batch.length === RECORDS_PER_SEND) await send()
    }
    await send()
    await writer.close()
    return log
  }

  /** Lets one worker work on all of it, and kills it so often before it is done. */
  async live(kills: number): Promise<Made> {
    const made = await this.#made('run')
    const group = `${this.#run}-run`
    const own = ['--topic', `${this.#o.input.source}=${this.#topic}`, ...made.flags]
    const how = ['--group', group, '--guarantee', 'exactly-once', ...OFTEN]
    const start = () =>
      new BenchWorker(this.#o.programs.start(this.#arguments('run', ...own, ...how)))
    let worker = start()
    const committed = async (share: number) => {
      while ((await this.#committed(group)) < share * this.#size) await sleep(LOOK_EVERY_MS)
    }
    for (let n = 1; n <= kills; n++) {
      // Early, so that much is left to do.
      await worker.during(committed(n / (2 * kills)))
      await worker.kill()
      if ((await this.#committed(group)) === this.#size)
        throw new Error('it was done before a kill')
      worker = start()
    }
    await worker.during(committed(1))
    const exit = await worker.stop()
    if (exit !== 0) throw new Error(`the worker ended with ${exit}`)
    return made
  }

  /** Lets groups of so many workers work on its first half, and then on the other. */
  async ranges(workers: number): Promise<Made> {
    const made = await this.#made('ranges')
    const middle = `@${this.#times[this.#times.length >> 1]}`
    const halves = [
      ['earliest', middle],
      [middle, 'latest'],
    ] as const
    for (const [from, to] of halves) {
      const range = ['--from', from, '--to', to, '--group', `${this.#run}-${from}`]
      const args = ['--input', `kafka:${this.#topic}`, ...range, ...made.flags]
      const group = Array.from({ length: workers }, () =>
        this.#o.programs.run(this.#arguments('batch', ...args)),
      )
      await Promise.all(group)
    }
    return made
  }

  /** Records of a topic, in the order of each partition. @default its own */
  async *records(topic = this.#topic): AsyncGenerator<readonly [partition: number, LogRecord]> {
    const reader = await this.#records.read({ topic, from: 'earliest', until: 'end' })
    for await (const { partition, records } of reader) {
      for (const record of records) yield [partition, record]
    }
  }

  /** What a group has answered; values are JSON. */
  async *answers({ output, letter }: Made): AsyncGenerator<Answer> {
    for await (const [, record] of this.records(output)) {
      yield { place: placeOf(record), is: 'output', value: String(record.value) }
    }
    for await (const [, record] of this.records(letter)) {
      const code = headerOf(record, 'tidemark.code')
      yield { place: placeOf(record), is: 'letter', value: JSON.stringify(code) }
    }
  }

  close(): Promise<void> {
    return this.#records.close()
  }

  async #made(name: string): Promise<Made> {
    const { sink, source } = this.#o.input
    const [output, letter] = [`${this.#run}-${name}-${sink}`, `${this.#run}-${name}-${source}.dlq`]
    await this.#create([output, letter])
    const flags = ['--topic', `${sink}=${output}`, '--topic', `${source}.dlq=${letter}`]
    return { output, letter, flags }
  }

  #create(names: readonly string[]): Promise<void> {
    const specs = names.map((name) => ({ name, partitions: PARTITIONS }))
    return createTopics({ brokers: [...this.#o.brokers] }, this.#records, specs)
  }

  #arguments(command: string, ...more: readonly string[]): string[] {
    const { input, brokers } = this.#o
    return [command, input.topology, '--brokers', brokers.join(','), ...more]
  }

  async #committed(group: string): Promise<number> {
    const offsets = await this.#records.offsets(group, this.#topic)
    return offsets.reduce((sum, { committed }) => sum + (committed?.nextOffset ?? 0), 0)
  }
}
