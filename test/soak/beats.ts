import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { until } from '../services/cluster.ts'
import { headerOf } from '../support/headers.ts'
import type { BeatTopics } from './topics.ts'

// Feeds a source that is idle most of the time, next to the payments: a few beats, then silence, in
// which their windows must close.

const KEYS = Array.from({ length: 12 }, (_, i) => `heart-${i}`)
const SILENCE_MS = 3_000
/** From the last beat: its window is closed by the passing of time alone. */
const CLOSED_WITHIN_MS = 60_000

/** A running feed of beats. */
export interface Beats {
  /** Number of beats that were sent. */
  readonly sent: number
  /** Stops sending. Resolves when the last beats are in the log. */
  stop(): Promise<void>
}

/** Starts to send beats, one batch after each silence. */
export function startBeats(brokers: readonly string[], topics: BeatTopics): Beats {
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  const writer = records.writer()
  const over = new AbortController()
  let sent = 0
  const sending = async () => {
    while (!over.signal.aborted) {
      const batch = KEYS.map((of) => beat(topics.beats, of))
      // A batch that fails may still be in the log. It is not sent again; beats are counted in the
      // log.
      await writer.write(batch).catch(() => {})
      sent += batch.length
      await sleep(SILENCE_MS, undefined, { signal: over.signal }).catch(() => {})
    }
    await writer.close()
    await records.close()
  }
  const done = sending()
  return {
    get sent() {
      return sent
    },
    stop: () => {
      over.abort()
      return done
    },
  }
}

function beat(topic: string, of: string): NewRecord {
  const atMs = Date.now()
  const value = Buffer.from(JSON.stringify({ of, atMs }))
  return { topic, partition: null, key: Buffer.from(of), value, timestampMs: atMs, headers: [] }
}

export interface BeatFigures {
  readonly beats: number
  readonly windows: number
  readonly late: number
  readonly faults: readonly string[]
}

/**
 * Counts the beats, once all windows are closed. Under exactly-once each beat is counted in one
 * window or is late, and each window is output once; under at-least-once no beat is missing.
 *
 * @param mayRepeat under at-least-once
 */
export async function beatFigures(
  brokers: readonly string[],
  topics: BeatTopics,
  mayRepeat: boolean,
): Promise<BeatFigures> {
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  try {
    let figures = await read(records, topics, mayRepeat)
    const isAllThere = async () => {
      figures = await read(records, topics, mayRepeat)
      return figures.faults.length === 0
    }
    await until('counted, every beat', isAllThere, CLOSED_WITHIN_MS).catch(() => {})
    return figures
  } finally {
    await records.close()
  }
}

async function read(
  records: KafkaRecords,
  topics: BeatTopics,
  mayRepeat: boolean,
): Promise<BeatFigures> {
  const beats = (await readAll(records, topics.beats)).length
  const late = (await readAll(records, topics.deadLetters)).length
  const outputs = await readAll(records, topics.counts)
  const counts = new Map<string | undefined, number>()
  for (const record of outputs) {
    const id = headerOf(record, 'tidemark-id')
    const count = (JSON.parse(String(record.value)) as { beats: number }).beats
    // Idle time passes by a worker's clock: a window that is output again may have another count.
    counts.set(id, Math.max(count, counts.get(id) ?? 0))
  }
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const again = outputs.length - counts.size
  const isRight = mayRepeat ? counted + late >= beats : counted + late === beats
  const faults = [
    ...(isRight ? [] : [`${beats} beats: ${counted} counted, ${late} late`]),
    ...(mayRepeat || again === 0 ? [] : [`${again} windows of beats were output again`]),
  ]
  return { beats, windows: counts.size, late, faults }
}

async function readAll(records: KafkaRecords, topic: string) {
  const reader = await records.read({ topic, from: 'earliest', until: 'end' })
  const all = []
  for await (const chunk of reader) all.push(...chunk.records)
  return all
}
