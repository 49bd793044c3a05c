import { defineTopology, seconds } from 'tidemark'
import { z } from 'zod'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { Records } from '../../src/connect/port.ts'
import type { Prepared } from '../../src/runtime/prepared.ts'
import { type Worker } from '../../src/runtime/worker.ts'
import { readinessOf } from '../../src/serve/health.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { Listener } from '../connect/listener.ts'
import { observedAfter } from '../observe/observed.ts'
import { HandClock, longestWaits } from '../support/clocks.ts'
import {
  prepare,
  startWorker,
  type TestWorkerOptions as WorkerOptions,
} from '../support/in-process.ts'
import { START_MS, Watch } from './support.ts'

// Workers on records in memory, with windows and without a model.

export const GROUP = 'g'

export const Event = z.object({ key: z.string(), at: z.number(), amount: z.number() })

/** Counts and sums of each key and 10 s, without a model. */
export function sums(
  name: string,
  o: { topic?: string; length?: number; idle?: boolean } = {},
): Definition {
  return defineTopology(name, (t) =>
    t
      .source('events', {
        schema: Event,
        key: (e) => e.key,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(1), ...(o.idle ? { idleAfter: seconds(30) } : {}) },
        onLate: 'dead-letter',
      })
      .tumbling(seconds(o.length ?? 10))
      .aggregate({ amount: (e) => e.amount }, (a) => ({ n: a.count(), sum: a.sum('amount') }))
      .sink(o.topic ?? 'sums'),
  )
}

export function topics(
  records = new MemoryRecords({ chunkRecords: 5 }),
  partitions = 1,
): MemoryRecords {
  for (const topic of ['events', 'sums', 'others', 'events.dlq']) {
    records.createTopic(topic, { partitions })
  }
  return records
}

/** Events, each with its time in ms after the start. */
export function send(
  records: MemoryRecords,
  ...events: (readonly [key: string, atMs: number, amount?: number])[]
): void {
  records.produce(
    events.map(([key, atMs, amount = 1]) => ({
      topic: 'events',
      partition: null,
      key: Buffer.from(key),
      value: Buffer.from(JSON.stringify({ key, at: START_MS + atMs, amount })),
      timestampMs: START_MS + atMs,
      headers: [],
    })),
  )
}

/** Leaves an offset with some metadata, as a tool or another consumer of the group would. */
export async function commitAs(
  records: MemoryRecords,
  nextOffset: number,
  metadata: string,
): Promise<void> {
  const handlers = new Listener()
  const member = await records.join({
    group: GROUP,
    topics: ['events'],
    from: 'earliest',
    handlers,
  })
  const { topic, partition, epoch } = handlers.assignment()
  const nextOffsets = [{ topic, partition, epoch, nextOffset, metadata }]
  await member.commit({ outputs: [], deadLetters: [], nextOffsets })
  await member.leave()
}

async function prepared(...definitions: Definition[]): Promise<Prepared> {
  return prepare(definitions)
}

export async function worker(
  records: Records,
  definitions: readonly Definition[],
  o: Partial<WorkerOptions> = {},
) {
  const watch = new Watch()
  const ready = await prepared(...definitions)
  const observed = observedAfter()
  const readiness: { restoring: number; ready: boolean }[] = []
  const started = startWorker({
    prepared: ready,
    records,
    group: GROUP,
    random: longestWaits,
    observer: (event) => {
      observed.observer(event)
      readiness.push(readinessOf(observed))
      watch.observer(event)
    },
    ...o,
  })
  return { worker: started, watch, readiness }
}

/** Resolves when all is done, or the worker has ended. */
export async function settled(records: MemoryRecords, { done }: Worker): Promise<void> {
  await Promise.race([records.settled(GROUP, 'events'), done])
}

/** Runs a worker until all is done, and stops it. */
export async function run(
  records: MemoryRecords,
  definitions: readonly Definition[],
  o: Partial<WorkerOptions> = {},
) {
  const { worker: started, watch, readiness } = await worker(records, definitions, o)
  await settled(records, started)
  await started.stop()
  return { watch, readiness }
}

/** A worker that is refused, or ends; gives why. */
export async function end(
  records: Records,
  definitions: readonly Definition[],
  o: Partial<WorkerOptions> = {},
) {
  const { worker: started } = await worker(records, definitions, o)
  return started.done.then(
    () => null,
    (error: unknown) => error,
  )
}

/** Moves when told, but lets whoever only keeps a pace go on. */
export class PacelessClock extends HandClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return ms <= 100 ? new Promise((resolve) => setImmediate(resolve)) : super.sleep(ms, signal)
  }
}
