import { crc32 } from 'node:zlib'
import type { WatermarkParts } from '../engine/watermark.ts'
import { LATEST_EVENT_TIME_MS } from '../kernel/time.ts'
import type { LogRecord } from '../records/port.ts'
import { FINGERPRINT_LENGTH } from './fingerprint.ts'

// What stands beside a committed offset, so that whoever takes the partition over can have its windows as they were: a few
// hundred bytes of JSON in the commit's metadata, of which the broker takes 4,096 (offset.metadata.max.bytes), less what a
// driver adds.

/** Largest note. */
export const MOST_NOTE_BYTES = 3_500

/** Format; another one is not understood. */
const FORMAT = 1
/** More than a topic has. */
const MOST_PARTITIONS = 999_999

/** Where a topology's replay begins: nothing before it is in a window any more. */
export interface ReplayPoint extends WatermarkParts {
  readonly offset: number
}

/** For one topology. */
export interface TopologyNote {
  /** Hash of what decides its windows. */
  readonly fingerprint: string
  readonly from: ReplayPoint
  /** How far idleness had moved the watermark at the committed offset, ms since the epoch; −Infinity if it had not. */
  readonly idleMs: number
}

/** For one partition. */
export interface RestartNote {
  /** Of the topic, when it was committed. */
  readonly partitions: number
  /** The last record before the committed offset; `null` when none has been read. */
  readonly lastRecord: RecordMark | null
  readonly topologies: ReadonlyMap<string, TopologyNote>
}

/** Tells a record from another one at its offset. */
export interface RecordMark {
  readonly offset: number
  readonly checksum: number
}

export function markOf({ offset, key, value, timestampMs }: LogRecord): RecordMark {
  let checksum = crc32(key ?? '', timestampMs % 2 ** 32)
  checksum = crc32(value ?? '', checksum)
  return { offset, checksum }
}

interface Packed {
  readonly v: number
  readonly n: number
  readonly last: readonly [number, number] | null
  readonly t: Readonly<Record<string, PackedTopology>>
}

/** Fingerprint, offset, newest event time and idle step there, idle step at the committed offset. */
type PackedTopology = readonly [string, number, number | null, number | null, number | null]

export function packNote({ partitions, lastRecord, topologies }: RestartNote): string {
  const packed: Packed = {
    v: FORMAT,
    n: partitions,
    last: lastRecord === null ? null : [lastRecord.offset, lastRecord.checksum],
    t: Object.fromEntries(
      [...topologies].map(([name, { fingerprint, from, idleMs }]) => [
        name,
        [fingerprint, from.offset, finite(from.newestMs), finite(from.idleMs), finite(idleMs)],
      ]),
    ),
  }
  return JSON.stringify(packed)
}

/** How large the note for topologies of these names can become, bytes. */
export function mostNoteBytes(names: readonly string[]): number {
  const idleMs = LATEST_EVENT_TIME_MS
  const from = { offset: Number.MAX_SAFE_INTEGER, newestMs: LATEST_EVENT_TIME_MS, idleMs }
  const note = { fingerprint: 'f'.repeat(FINGERPRINT_LENGTH), from, idleMs }
  const largest = packNote({
    partitions: MOST_PARTITIONS,
    lastRecord: { offset: Number.MAX_SAFE_INTEGER, checksum: 2 ** 32 - 1 },
    topologies: new Map(names.map((name) => [name, note])),
  })
  return Buffer.byteLength(largest)
}

/** `null`: it was not written by this, or by another version of it. */
export function unpackNote(metadata: string): RestartNote | null {
  try {
    const { v, n, last, t } = JSON.parse(metadata) as Packed
    if (v !== FORMAT) return null
    return {
      partitions: n,
      lastRecord: last === null ? null : { offset: last[0], checksum: last[1] },
      topologies: new Map(
        Object.entries(t).map(([name, [fingerprint, offset, newestMs, idleMs, idleAtEnd]]) => [
          name,
          {
            fingerprint,
            from: { offset, newestMs: time(newestMs), idleMs: time(idleMs) },
            idleMs: time(idleAtEnd),
          },
        ]),
      ),
    }
  } catch {
    return null
  }
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null
}

function time(ms: number | null): number {
  return ms ?? Number.NEGATIVE_INFINITY
}
