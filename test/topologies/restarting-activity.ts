import { expect } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { outputTopics } from '../../src/topology/graph.ts'
import cardActivity from '../../topologies/card-activity.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'
import { DAY, type Line } from './minutes-by-hand.ts'
import { PARTITIONS, runMinutes } from './run-minutes.ts'

// card-activity in one run, and stopped and started again.

const GRACE_MS = 10_000

interface Told {
  readonly id: string | undefined
  readonly key: string | undefined
  readonly text: string
}

export type Run = Awaited<ReturnType<typeof runOnce>>

export function runOnce(lines: readonly Line[]) {
  return runMinutes(cardActivity, { sink: 'card-activity', graceMs: GRACE_MS }, lines)
}

/** Outputs of one run, in the order of ids. */
export function toldIn({ outputs }: Run): Told[] {
  const told = outputs.map(({ key, value, headers }) => ({
    id: headers['tidemark-id'],
    key: key ?? undefined,
    text: JSON.stringify(value),
  }))
  return told.toSorted(byId)
}

/**
 * Outputs of the workers of a day, in the order of ids: each reads a piece, one after the other on
 * the same records.
 */
export async function toldWith(restarts: number): Promise<Told[]> {
  const records = new MemoryRecords({ chunkRecords: 40 })
  for (const topic of ['payments', ...outputTopics(cardActivity)]) {
    records.createTopic(topic, { partitions: PARTITIONS })
  }
  const prepared = await prepare([cardActivity])
  const seen: RuntimeEvent[] = []
  try {
    const step = Math.ceil(DAY.length / (restarts + 1))
    for (let line = 0; line < DAY.length; line += step) {
      records.produce(
        DAY.slice(line, line + step).map(({ key, value, timestampMs }) => ({
          topic: 'payments',
          partition: null,
          key: Buffer.from(key),
          value: Buffer.from(value),
          timestampMs,
          headers: [],
        })),
      )
      const observer = (event: RuntimeEvent) => seen.push(event)
      const worker = startWorker({ prepared, records, group: 'pieces', observer })
      await Promise.race([records.settled('pieces', 'payments'), worker.done])
      await worker.stop()
    }
    const replayed = seen.filter((e) => e.type === 'restored').map((e) => e.records)
    // Windows came back from the log, and not from all of it.
    expect(replayed.length).toBeGreaterThan(restarts)
    expect(Math.max(...replayed)).toBeLessThan(DAY.length / PARTITIONS / 5)
    const told = records.read('card-activity').map((record) => ({
      id: headerOf(record, 'tidemark-id'),
      key: record.key?.toString(),
      text: String(record.value),
    }))
    return told.toSorted(byId)
  } finally {
    await records.close()
    await prepared.close()
  }
}

export function byId(a: { readonly id: string | undefined }, b: typeof a): number {
  return String(a.id) < String(b.id) ? -1 : 1
}
