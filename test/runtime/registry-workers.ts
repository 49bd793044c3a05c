import { defineTopology, registry, seconds } from 'tidemark'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { LogRecord, Records } from '../../src/connect/port.ts'
import { wantedFields } from '../../src/engine/author-functions.ts'
import { confluentFormat } from '../../src/formats/registry/confluent-format.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import { unpackBlock } from '../../src/runtime/commit/skipped-records.ts'
import type { Prepared } from '../../src/runtime/prepared.ts'
import type { SourceDefinition } from '../../src/topology/definition.ts'
import { type HandRegistry, wireValue } from '../formats/registry/hand-registry.ts'
import { longestWaits, sleeplessClock } from '../support/clocks.ts'
import {
  prepare,
  startWorker,
  type TestWorkerOptions as WorkerOptions,
} from '../support/in-process.ts'
import { Event, GROUP } from './memory-workers.ts'
import { onTopics, START_MS, Watch } from './support.ts'

// Workers on records in memory whose values have their schemas in a registry.

export const CHECKPOINT = `${GROUP}.counts.checkpoint`

type Format = Extract<SourceDefinition['format'], { is: 'registry' }>

/** Counts and sums of each key and 10 s, and the offsets that entered. */
export const counts = defineTopology('counts', (t) =>
  t
    .source('events', {
      schema: registry(Event),
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .tumbling(seconds(10))
    .aggregate({ amount: (e) => e.amount }, (a) => ({ n: a.count(), sum: a.sum('amount') }))
    .sink('counts'),
)

const ready = prepare([counts], { registry: 'later' })

/** The result of `prepare`, with a test's registry. */
export async function preparedBy(
  hand: HandRegistry,
  preparing: Promise<Prepared> = ready,
): Promise<Prepared> {
  const prepared = await preparing
  const topologies = prepared.topologies.map((topology) => {
    const { source } = topology.definition
    const wanted = wantedFields(topology.definition)
    const format = confluentFormat(source, source.format as Format, { registry: hand, wanted })
    return { ...topology, format }
  })
  return { ...prepared, topologies }
}

export function topics(partitions = 1, chunkRecords = 5): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords })
  for (const topic of ['events', 'counts', 'events.dlq']) records.createTopic(topic, { partitions })
  return records
}

/** A JSON Schema, which is not enforced. */
export const JSON_SCHEMA = { type: 'json', text: '{}' } as const

/** An event with the id of its schema. */
export interface Sent {
  readonly id: number
  readonly key?: string
  readonly atMs: number
  readonly partition?: number
}

export function send(records: MemoryRecords, events: readonly Sent[]): void {
  records.produce(
    events.map((event) => {
      const { key = 'k', partition = 0 } = event
      return {
        ...{ topic: 'events', partition, key: Buffer.from(key), headers: [] },
        ...valueOf(event),
      }
    }),
  )
}

/** The value of an event, with its time. */
export function valueOf({ id, key = 'k', atMs }: Sent): { value: Buffer; timestampMs: number } {
  const event = { key, at: START_MS + atMs, amount: atMs + 1 }
  const value = wireValue(id, Buffer.from(JSON.stringify(event)))
  return { value, timestampMs: START_MS + atMs }
}

export interface Run extends Partial<WorkerOptions> {
  readonly hand: HandRegistry
  /** @default sleeps end at once */
  readonly clock?: Clock
  /** Topics in the place of those that the topology names. */
  readonly actual?: ReadonlyMap<string, string>
}

export async function started(records: Records, { hand, actual = new Map(), ...more }: Run) {
  const prepared = onTopics(await preparedBy(hand), actual)
  const watch = new Watch()
  const worker = startWorker({
    ...{ prepared, records, group: GROUP, clock: sleeplessClock(), random: longestWaits },
    ...more,
    observer: watch.observer,
  })
  return { worker, watch }
}

/** Runs a worker until all is done, and stops it. */
export async function runAll(records: MemoryRecords, run: Run) {
  const { worker, watch } = await started(records, run)
  await Promise.race([records.settled(GROUP, 'events'), worker.done])
  await worker.stop()
  return watch
}

/** The offsets of a partition that are given up, by what is written down. */
export function givenUp(records: MemoryRecords, partition = 0): number[] {
  const place = { topic: CHECKPOINT, partition }
  const newest = new Map<number, readonly (readonly [number, number])[]>()
  for (const record of records.read(CHECKPOINT, partition)) {
    const { block, unknown } = unpackBlock(record, place) as NonNullable<
      ReturnType<typeof unpackBlock>
    >
    newest.set(block, unknown)
  }
  const ranges = [...newest.values()].flat()
  return ranges
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
    .toSorted((a, b) => a - b)
}

export const textsOf = (records: readonly LogRecord[]) => records.map(({ value }) => String(value))
