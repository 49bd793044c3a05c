import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/records/port.ts'
import { until } from '../services/cluster.ts'
import { headerOf } from '../support/headers.ts'
import type { BeatTopics } from './topics.ts'

// A source that idles beside the payments: a few beats, then silence, in which their windows must
// close.

const KEYS = Array.from({ length: 12 }, (_, i) => `heart-${i}`)
const SILENCE_MS = 3_000
/** From the last beat: its window is closed by time that passes alone. */
const CLOSED_WITHIN_MS = 60_000

export interface Beats {
  /** Beats that stand in the log. */
  readonly sent: number
  /** Sends no more. Resolves when the last ones stand in the log. */
  stop(): Promise<void>
}

export function startBeats(brokers: readonly string[], topics: BeatTopics): Beats {
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  const writer = records.writer()
  const over = new AbortController()
  let sent = 0
  const sending = async () => {
    while (!over.signal.aborted) {
      const batch = KEYS.map((of) => beat(topics.beats, of))
      // What fails may stand in the log all the same: it is not sent again, and the log is asked
      // how much it was.
      await writer.send(batch).catch(() => {})
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
 * What came of the beats, once all windows are closed. Exactly once each is counted in one window
 * or is late, and no window is told twice; at least once none is missing.
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
  const told = await readAll(records, topics.counts)
  const counts = new Map<string | undefined, number>()
  for (const record of told) {
    const id = headerOf(record, 'tidemark-id')
    const count = (JSON.parse(String(record.value)) as { beats: number }).beats
    // Time passes by a worker's clock: told again, a window may hold another number.
    counts.set(id, Math.max(count, counts.get(id) ?? 0))
  }
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const again = told.length - counts.size
  const isRight = mayRepeat ? counted + late >= beats : counted + late === beats
  const faults = [
    ...(isRight ? [] : [`${beats} beats: ${counted} counted, ${late} late`]),
    ...(mayRepeat || again === 0 ? [] : [`${again} windows of beats told again`]),
  ]
  return { beats, windows: counts.size, late, faults }
}

async function readAll(records: KafkaRecords, topic: string) {
  const reader = await records.read({ topic, from: 'earliest', until: 'end' })
  const all = []
  for await (const chunk of reader) all.push(...chunk.records)
  return all
}
