import { crc32 } from 'node:zlib'
import type { WatermarkParts } from '../../engine/watermark.ts'
import { LATEST_EVENT_TIME_MS } from '../../kernel/time.ts'
import type { LogRecord } from '../../records/port.ts'
import { FINGERPRINT_LENGTH } from './fingerprint.ts'

// The restart note: JSON of a few hundred bytes in the metadata of a committed offset, from which
// the next owner of the partition can restore its windows.

/** Version of the format; notes of another version are ignored. */
const FORMAT = 1
/** More partitions than a topic has. */
const MOST_PARTITIONS = 999_999

/** Where the replay of a topology begins: nothing before it is in a window any more. */
export interface ReplayPoint extends WatermarkParts {
  readonly offset: number
}

/** The part of a note for one topology. */
export interface TopologyNote {
  /** Hash of what determines its windows. */
  readonly fingerprint: string
  readonly from: ReplayPoint
  /**
   * How far idleness had advanced the watermark at the committed offset, ms since the epoch;
   * −Infinity: it had not.
   */
  readonly idleMs: number
  /**
   * The watermark from which its windows are complete, ms since the epoch; −Infinity: they are ·
   * `null`: not known before the first event.
   */
  readonly wholeFromMs: number | null
}

/** The note for one partition. */
export interface RestartNote {
  /** Partitions of the topic at the time of the commit. */
  readonly partitions: number
  /** The last record before the committed offset; `null`: none has been read. */
  readonly lastRecord: RecordMark | null
  readonly topologies: ReadonlyMap<string, TopologyNote>
  /** Empty if no topology chooses between variants. */
  readonly variants: ChosenVariants
}

/** By topology, by score step: the name of the variant that scores. */
export type ChosenVariants = ReadonlyMap<string, ReadonlyMap<string, string>>

/** Identifies a record, so that another record at the same offset is noticed. */
export interface RecordMark {
  readonly offset: number
  readonly checksum: number
}

/** Computes the mark of a record. */
export function markOf({ offset, key, value, timestampMs }: LogRecord): RecordMark {
  // The timestamp modulo 2^32, whatever its sign and size.
  let checksum = crc32(key ?? '', timestampMs >>> 0)
  checksum = crc32(value ?? '', checksum)
  return { offset, checksum }
}

interface Packed {
  readonly v: number
  readonly n: number
  readonly last: readonly [number, number] | null
  readonly t: Readonly<Record<string, PackedTopology>>
  /** Variants: not there if there are none. */
  readonly m?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/**
 * Fingerprint; offset of the replay point, newest event time and idle step there; idle step at the
 * committed offset; and, while windows are incomplete, the watermark from which they will be
 * complete.
 */
type PackedTopology =
  | readonly [string, number, PackedTime, PackedTime, PackedTime]
  | readonly [string, number, PackedTime, PackedTime, PackedTime, PackedTime]
/** ms since the epoch; `null`: none. */
type PackedTime = number | null

/** Encodes a note as commit metadata. */
export function packNote({ partitions, lastRecord, topologies, variants }: RestartNote): string {
  const packed: Packed = {
    v: FORMAT,
    n: partitions,
    last: lastRecord === null ? null : [lastRecord.offset, lastRecord.checksum],
    t: Object.fromEntries([...topologies].map(([name, note]) => [name, packTopology(note)])),
    ...(variants.size > 0 && {
      m: Object.fromEntries([...variants].map(([name, of]) => [name, Object.fromEntries(of)])),
    }),
  }
  return JSON.stringify(packed)
}

function packTopology({ fingerprint, from, idleMs, wholeFromMs }: TopologyNote): PackedTopology {
  const times = [finite(from.newestMs), finite(from.idleMs), finite(idleMs)] as const
  const isWhole = wholeFromMs === Number.NEGATIVE_INFINITY
  return isWhole
    ? [fingerprint, from.offset, ...times]
    : [fingerprint, from.offset, ...times, wholeFromMs]
}

/**
 * The largest possible size of a note for topologies of these names, bytes.
 *
 * @param variants the longest name of a variant of each step that has some
 */
export function mostNoteBytes(names: readonly string[], variants: ChosenVariants): number {
  const idleMs = LATEST_EVENT_TIME_MS
  const from = { offset: Number.MAX_SAFE_INTEGER, newestMs: LATEST_EVENT_TIME_MS, idleMs }
  const fingerprint = 'f'.repeat(FINGERPRINT_LENGTH)
  const note = { fingerprint, from, idleMs, wholeFromMs: LATEST_EVENT_TIME_MS }
  const largest = packNote({
    partitions: MOST_PARTITIONS,
    lastRecord: { offset: Number.MAX_SAFE_INTEGER, checksum: 2 ** 32 - 1 },
    topologies: new Map(names.map((name) => [name, note])),
    variants,
  })
  return Buffer.byteLength(largest)
}

/**
 * Decodes a note. `null`: the metadata was not written by Tidemark, or by a version with another
 * format.
 */
export function unpackNote(metadata: string): RestartNote | null {
  const packed = parsed(metadata)
  if (!isPacked(packed)) return null
  const { n, last, t, m = {} } = packed
  return {
    partitions: n,
    lastRecord: last === null ? null : { offset: last[0], checksum: last[1] },
    topologies: new Map(
      Object.entries(t).map(([name, [fingerprint, offset, newestMs, idleMs, idleAtEnd, whole]]) => [
        name,
        {
          fingerprint,
          from: { offset, newestMs: time(newestMs), idleMs: time(idleMs) },
          idleMs: time(idleAtEnd),
          wholeFromMs: whole === undefined ? Number.NEGATIVE_INFINITY : whole,
        },
      ]),
    ),
    variants: new Map(Object.entries(m).map(([name, of]) => [name, new Map(Object.entries(of))])),
  }
}

function parsed(metadata: string): unknown {
  try {
    return JSON.parse(metadata)
  } catch {
    return null
  }
}

/** Other programs write arbitrary metadata: every number of a note is checked before it is used. */
function isPacked(of: unknown): of is Packed {
  if (!isObject(of)) return false
  const { v, n, last, t, m } = of
  const areTopologies = isObject(t) && Object.values(t).every(isOne)
  return v === FORMAT && isCount(n) && isLast(last) && areTopologies && areVariants(m)
}

function areVariants(of: unknown): boolean {
  if (of === undefined) return true
  const isStep = (steps: unknown) =>
    isObject(steps) && Object.values(steps).every((variant) => typeof variant === 'string')
  return isObject(of) && Object.values(of).every(isStep)
}

function isLast(of: unknown): boolean {
  return of === null || (Array.isArray(of) && isCount(of[0]) && isChecksum(of[1]))
}

function isOne(of: unknown): boolean {
  if (!Array.isArray(of)) return false
  const [fingerprint, offset, ...times] = of as unknown[]
  return (
    typeof fingerprint === 'string' &&
    isCount(offset) &&
    (times.length === 3 || times.length === 4) &&
    times.every(isTime)
  )
}

function isObject(of: unknown): of is Record<string, unknown> {
  return typeof of === 'object' && of !== null && !Array.isArray(of)
}

function isCount(of: unknown): boolean {
  return Number.isSafeInteger(of) && (of as number) >= 0
}

function isChecksum(of: unknown): boolean {
  return isCount(of) && (of as number) < 2 ** 32
}

/** Idle steps may have fractions of a millisecond. */
function isTime(of: unknown): boolean {
  return of === null || (typeof of === 'number' && Math.abs(of) <= Number.MAX_SAFE_INTEGER)
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null
}

function time(ms: number | null): number {
  return ms ?? Number.NEGATIVE_INFINITY
}
