import type { TopicPartition } from '../../src/connect/port.ts'
import { decodeWithKafkajs } from '../connect/codec/kafkajs-codec.ts'
import { ask, encoder } from './ask.ts'
import { leaderOf } from './cluster.ts'
import type { KafkaService } from './kafka.ts'

// A partition as its leader gives it out: batch by batch, with markers and with what was aborted.
// Shares nothing with our driver.

export interface RawLog {
  readonly batches: readonly RawBatch[]
  readonly highWatermark: number
  /** Below the high watermark when a transaction is open. */
  readonly lastStableOffset: number
}

interface RawBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  /** −1: of no idempotent producer. */
  readonly producerId: number
  readonly isTransactional: boolean
  /** By the protocol's number; 0: not compressed. */
  readonly compression: number
  /** The end that a control batch gives its producer's transaction. */
  readonly marker: 'commit' | 'abort' | null
  /** Has compaction decided when markers and tombstones go? */
  readonly hasDeleteHorizon: boolean
  /** None in a batch that compaction has emptied, or that is compressed. */
  readonly records: readonly RawRecord[]
}

interface RawRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

const ISOLATION = { readUncommitted: 0, readCommitted: 1 } as const
const MAX_BYTES = 50_000_000
const COMPRESSION = 0x07
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const DELETE_HORIZON = 0x40

/**
 * All that readers of an isolation are given from the beginning on; whom `readCommitted` leaves out
 * is the reader's to find out.
 */
export async function rawLog(
  kafka: KafkaService,
  at: TopicPartition,
  isolation: keyof typeof ISOLATION,
): Promise<RawLog> {
  const batches: RawBatch[] = []
  for (;;) {
    const fromOffset = (batches.at(-1)?.lastOffset ?? -1) + 1
    const fetched = await fetchFrom(kafka, { ...at, fromOffset, isolation: ISOLATION[isolation] })
    const { highWatermark, lastStableOffset } = fetched
    const end = isolation === 'readCommitted' ? lastStableOffset : highWatermark
    if (fromOffset >= end) return { batches, highWatermark, lastStableOffset }
    for (const set of batchesIn(fetched.set)) batches.push(await rawBatch(set))
  }
}

/** Records that count: of no transaction, or of one that was committed. By the markers alone. */
export function committedIn({ batches }: RawLog): RawRecord[] {
  const open = new Map<number, RawRecord[]>()
  const committed: RawRecord[] = []
  for (const { producerId, isTransactional, marker, records } of batches) {
    if (marker === 'commit') committed.push(...(open.get(producerId) ?? []))
    if (marker !== null) open.delete(producerId)
    else if (isTransactional) open.set(producerId, [...(open.get(producerId) ?? []), ...records])
    else committed.push(...records)
  }
  return committed.toSorted((a, b) => a.offset - b.offset)
}

interface Fetch extends TopicPartition {
  readonly fromOffset: number
  readonly isolation: number
}

async function fetchFrom(
  kafka: KafkaService,
  { topic, partition, fromOffset, isolation }: Fetch,
): Promise<{ highWatermark: number; lastStableOffset: number; set: Buffer }> {
  const body = encoder().writeInt32(-1).writeInt32(0).writeInt32(0).writeInt32(MAX_BYTES)
  body.writeInt8(isolation).writeInt32(1).writeString(topic)
  body.writeInt32(1).writeInt32(partition).writeInt64(fromOffset).writeInt32(MAX_BYTES)
  const leader = await leaderOf(kafka, { topic, partition })
  const answer = await ask(leader, { api: 1, version: 4, body })
  answer.readInt32()
  const [fetched] = answer.readArray((of) => {
    of.readString()
    return of.readArray((p) => {
      p.readInt32()
      const error = p.readInt16()
      if (error !== 0) throw new Error(`fetching ${topic}-${partition} failed with code ${error}`)
      const [highWatermark, lastStableOffset] = [Number(p.readInt64()), Number(p.readInt64())]
      p.readArray((aborted) => [aborted.readInt64(), aborted.readInt64()])
      return { highWatermark, lastStableOffset, set: p.readBytes() }
    })
  })
  if (fetched?.[0] === undefined) throw new Error(`nothing was said of ${topic}-${partition}`)
  return fetched[0]
}

/** The last one may be cut off. */
function* batchesIn(set: Buffer): Generator<Buffer> {
  for (let at = 0; at + 12 <= set.length; ) {
    const end = at + 12 + set.readInt32BE(at + 8)
    if (end <= set.length) yield set.subarray(at, end)
    at = end
  }
}

async function rawBatch(batch: Buffer): Promise<RawBatch> {
  const baseOffset = Number(batch.readBigInt64BE(0))
  const attributes = batch.readInt16BE(21)
  const compression = attributes & COMPRESSION
  // The library has gzip alone.
  const messages = compression === 0 ? await decodeWithKafkajs(batch) : []
  const isControl = (attributes & CONTROL) !== 0
  return {
    baseOffset,
    lastOffset: baseOffset + batch.readInt32BE(23),
    producerId: Number(batch.readBigInt64BE(43)),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    compression,
    // A marker's key: format, kind.
    marker: isControl ? (messages[0]?.key?.readInt16BE(2) === 1 ? 'commit' : 'abort') : null,
    hasDeleteHorizon: (attributes & DELETE_HORIZON) !== 0,
    records: messages.map(({ offset, key, value }) => ({
      offset: Number(offset),
      key: isControl ? null : (key?.toString() ?? null),
      value: isControl ? null : (value?.toString() ?? null),
    })),
  }
}
