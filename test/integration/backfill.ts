import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { idOf, type Place, placeOf } from '../golden/answers.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { start } from '../services/tidemark-in-test.ts'
import { headerOf } from '../support/headers.ts'

// A range of a topic on a real Kafka, and what groups make of it.

const PARTITIONS = 6
const GAP_MS = 50

/** A topology, and its topics. */
interface Case {
  readonly topology: string
  readonly source: string
  readonly sinks: readonly [predictions: string, deadLetters: string]
}

interface Line {
  readonly key: string
  readonly value: string
}

/** From the first of these numbers up to the second. */
type Lines = readonly [from: number, to: number]

/** What a group writes. */
export interface Made {
  readonly group: string
  readonly topics: readonly string[]
  readonly flags: readonly string[]
}

export class Backfill {
  readonly #case: Case
  readonly #brokers: string
  readonly #records: KafkaRecords
  readonly #input: string
  readonly #from: number
  readonly #to: number
  readonly #inRange = new Set<string>()
  #firstMs = 0

  private constructor(of: Case, kafka: KafkaService, range: Lines) {
    this.#case = of
    this.#brokers = kafka.brokers.join(',')
    this.#records = new KafkaRecords(plainOptions(kafka))
    this.#input = freshName(of.source)
    ;[this.#from, this.#to] = range
  }

  /** Writes the lines, one in 50 ms by their timestamps. */
  static async of(
    kafka: KafkaService,
    topology: Case,
    { lines, range }: { readonly lines: readonly Line[]; readonly range: Lines },
  ) {
    const backfill = new Backfill(topology, kafka, range)
    await backfill.#records.create([{ name: backfill.#input, partitions: PARTITIONS }])
    backfill.#firstMs = Date.now() - lines.length * GAP_MS
    await backfill.send(lines)
    return backfill
  }

  async send(lines: readonly Line[]): Promise<void> {
    const ends = new Map<number, number>()
    const writer = this.#records.writer()
    await writer.write(
      lines.map(({ key, value }, n) => {
        const parts = { key: Buffer.from(key), value: Buffer.from(value), headers: [] }
        const partition = partitionOf({ partition: null, key: parts.key }, PARTITIONS)
        const offset = ends.get(partition) ?? 0
        ends.set(partition, offset + 1)
        if (n >= this.#from && n < this.#to) this.#inRange.add(at({ partition, offset }))
        return { topic: this.#input, partition, ...parts, timestampMs: this.#firstMs + n * GAP_MS }
      }),
    )
    await writer.close()
  }

  get size(): number {
    return this.#inRange.size
  }

  async made(what: string): Promise<Made> {
    const { topics, flags } = await freshTopics(this.#records, this.#case.sinks, PARTITIONS)
    return { group: freshName(what), topics: Object.values(topics), flags }
  }

  /** A worker of a bounded group. */
  start({ group, flags }: Made, ...more: readonly string[]): Running {
    const range = [this.#from, this.#to].map((n) => `@${this.#firstMs + n * GAP_MS}`)
    const bounds = ['--from', range[0] ?? '', '--to', range[1] ?? '', '--group', group]
    const where = ['--brokers', this.#brokers, '--input', `kafka:${this.#input}`]
    return start(['batch', this.#case.topology, ...where, ...bounds, ...flags, ...more])
  }

  /** What a live worker makes of the records of the range. */
  async live(): Promise<Map<string, string>> {
    const live = await this.made('live')
    const { topology, source } = this.#case
    const input = ['--topic', `${source}=${this.#input}`, '--brokers', this.#brokers]
    const run = start(['run', topology, ...input, '--group', live.group, ...live.flags])
    const isThrough = async () => {
      const offsets = await this.#records.offsets(live.group, this.#input)
      return offsets.every(({ committed, endOffset }) => committed?.nextOffset === endOffset)
    }
    while (!(await isThrough()));
    run.process.kill('SIGTERM')
    const { code, stderr } = await run.ended
    if (code !== 0) throw new Error(stderr)
    const all = await this.outcome(live)
    return new Map([...all].filter(([, { place }]) => this.#inRange.has(place)).map(cell))
  }

  /** Each output by id with its key, value and time; each dead letter by its place with its code. */
  async cells(made: Made): Promise<Map<string, string>> {
    return new Map([...(await this.outcome(made))].map(cell))
  }

  /** @throws Error when an answer is there twice */
  async outcome({ topics }: Made) {
    const found = new Map<string, { readonly place: string; readonly text: string }>()
    for (const topic of topics) {
      for (const record of await readTopic(this.#records, topic)) {
        const code = headerOf(record, 'tidemark.code')
        const parts = [String(record.key), String(record.value), record.timestampMs]
        const id = idOf(record)
        if (found.has(id)) throw new Error(`${id} was answered twice`)
        found.set(id, { place: at(placeOf(record)), text: code ?? JSON.stringify(parts) })
      }
    }
    return found
  }

  close(): Promise<void> {
    return this.#records.close()
  }
}

function at({ partition, offset }: Place): string {
  return `${partition}/${offset}`
}

function cell([id, { text }]: readonly [string, { readonly text: string }]): [string, string] {
  return [id, text]
}
