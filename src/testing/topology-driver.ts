import { MemoryRecords } from '../records/memory/memory-records.ts'
import type { LogRecord } from '../records/port.ts'
import { reasonOf } from '../runtime/dead-letter.ts'
import type { Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/outcomes.ts'
import { type Choices, type Prepared, prepare } from '../runtime/prepare.ts'
import { startWorker, type Worker } from '../runtime/worker.ts'
import { outputTopics } from '../topology/definition.ts'
import type { Topology } from '../topology/stream.ts'

const GROUP = 'test'

/** A record to score. */
export interface Input {
  /** Decides the partition. `null` is sent as no key. */
  readonly key: string | null
  /** Text and bytes are sent as they are, `null` as no value, anything else as JSON. */
  readonly value: unknown
  /** The record's own timestamp, ms since the epoch. @default the wall clock */
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** A record that was written. */
export interface Output<V> {
  readonly key: string | null
  readonly value: V
  readonly partition: number
  readonly timestampMs: number
  readonly headers: Readonly<Record<string, string>>
}

/** A dead letter. */
export interface SetAside extends Output<Buffer | null> {
  readonly code: string
  readonly step: string
  readonly message: string
  /** The record's place in the source. */
  readonly source: { readonly partition: number; readonly offset: number }
}

export interface DriverOptions extends Partial<Choices> {
  /** Of every topic. @default 1 */
  readonly partitions?: number
}

/**
 * Runs a topology in this process: the production runtime on records in memory, with the real model.
 *
 *     const driver = await TopologyDriver.start(cardFraud)
 *     await driver.pipe([{ key: 'c-1', value: payment }])
 *     driver.outputs('predictions')[0].value.probability
 *     await driver.stop()
 */
export class TopologyDriver<Out> {
  readonly #topology: Topology<Out>
  readonly #prepared: Prepared
  readonly #records: MemoryRecords
  readonly #worker: Worker
  readonly #partitions: number
  #outcomes = NO_OUTCOMES

  constructor(topology: Topology<Out>, prepared: Prepared, partitions: number) {
    this.#topology = topology
    this.#prepared = prepared
    this.#partitions = partitions
    this.#records = new MemoryRecords()
    for (const topic of [topology.source.topic, ...outputTopics(topology)]) {
      this.#records.createTopic(topic, { partitions })
    }
    this.#worker = startWorker({
      prepared,
      records: this.#records,
      group: GROUP,
      observer: (event) => {
        if (event.type !== 'processed') return
        this.#outcomes = addOutcomes(this.#outcomes, event.outcomes)
      },
    })
  }

  /** @throws Refused with every fault of the topology and its models */
  static async start<Out>(
    topology: Topology<Out>,
    o: DriverOptions = {},
  ): Promise<TopologyDriver<Out>> {
    const { partitions = 1, models = new Map() } = o
    const guard = o.maxAhead === undefined ? {} : { maxAhead: o.maxAhead }
    const prepared = await prepare([topology], { models, topics: new Map(), ...guard })
    return new TopologyDriver(topology, prepared, partitions)
  }

  /** Sends records and waits until all that became of them is committed. @returns where each stands */
  async pipe(inputs: readonly Input[]): Promise<{ partition: number; offset: number }[]> {
    const positions = this.#records.produce(
      inputs.map(({ key, value, timestampMs, headers }) => ({
        topic: this.#topology.source.topic,
        partition: null,
        key: key === null ? null : Buffer.from(key),
        value: bytesOf(value),
        timestampMs: timestampMs ?? Date.now(),
        headers: Object.entries(headers ?? {}).map(([name, text]) => ({
          name,
          value: Buffer.from(text),
        })),
      })),
    )
    const settled = this.#records.settled(GROUP, this.#topology.source.topic)
    await Promise.race([settled, this.#worker.done])
    return positions
  }

  /** What was written to a topic so far, partition by partition, each in order. */
  outputs<K extends keyof Out & string>(topic: K): Output<Out[K]>[] {
    return this.#read(topic).map(({ partition, record }) => ({
      ...outputOf(record, partition),
      value: JSON.parse((record.value as Buffer).toString()) as Out[K],
    }))
  }

  /** What was set aside so far, partition by partition, each in order. */
  deadLetters(): SetAside[] {
    return this.#read(this.#topology.deadLetterTopic).map(({ partition, record }) => {
      const { at, ...reason } = reasonOf(record.headers)
      return { ...outputOf(record, partition), value: record.value, ...reason, source: at }
    })
  }

  /** What became of all records so far. */
  get outcomes(): Outcomes {
    return this.#outcomes
  }

  async stop(): Promise<void> {
    await this.#worker.stop()
    await this.#records.close()
    await this.#prepared.close()
  }

  #read(topic: string): { partition: number; record: LogRecord }[] {
    const partitions = Array.from({ length: this.#partitions }, (_, partition) => partition)
    return partitions.flatMap((partition) =>
      this.#records.read(topic, partition).map((record) => ({ partition, record })),
    )
  }
}

function bytesOf(value: unknown): Buffer | null {
  if (value === null) return null
  if (Buffer.isBuffer(value)) return value
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}

function outputOf(record: LogRecord, partition: number): Omit<Output<unknown>, 'value'> {
  return {
    key: record.key?.toString() ?? null,
    partition,
    timestampMs: record.timestampMs,
    headers: Object.fromEntries(record.headers.map((h) => [h.name, h.value.toString()])),
  }
}
