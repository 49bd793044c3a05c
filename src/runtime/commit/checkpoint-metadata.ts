import { crc32 } from 'node:zlib'
import type { WatermarkParts } from '../../engine/watermark.ts'
import { LATEST_EVENT_TIME_MS } from '../../kernel/time.ts'
import type { LogRecord, Start } from '../../records/port.ts'
import { FINGERPRINT_LENGTH } from '../prepared.ts'

// The metadata of a committed offset: JSON of a few hundred bytes, from which the next owner of the
// partition can restore its windows.

/** Metadata of another version is ignored. */
const FORMAT = 1
/** More partitions than a topic has. */
const MOST_PARTITIONS = 999_999

/** Where the replay of a topology begins: nothing before it is in a window any more. */
export interface ReplayPoint extends WatermarkParts {
  readonly offset: number
}

export interface TopologyCheckpoint {
  /** Hash of what determines its windows. */
  readonly fingerprint: string
  readonly from: ReplayPoint
  /**
   * How far idleness had advanced the watermark there, ms since the epoch; −Infinity: not at all.
   */
  readonly idleMs: number
  /**
   * From which watermark its windows are complete; −Infinity: any · `null`: the first event
   * decides.
   */
  readonly wholeFromMs: number | null
}

export interface CheckpointMetadata {
  readonly partitions: number
  /** The last record before the committed offset; `null`: there has been none. */
  readonly lastRecord: RecordMark | null
  readonly topologies: ReadonlyMap<string, TopologyCheckpoint>
  /** Empty if no topology chooses between variants. */
  readonly variants: ChosenVariants
  /** `null`: the group reads the topic without an end. */
  readonly range: NotedRange | null
}

/** What a group reads of a partition, as the first worker of the partition has found it (rule S4). */
export interface NotedRange {
  /** The offset at which reading ends. */
  readonly end: number
  /** In words, at most {@link LONGEST_ASKED} ASCII characters, what all workers were asked for. */
  readonly asked: string
}

/** Two times, or offsets. */
const LONGEST_ASKED = 60

/** By topology, by score step: the name of the variant that scores. */
export type ChosenVariants = ReadonlyMap<string, ReadonlyMap<string, string>>

/** Identifies a record, so that another record at the same offset is noticed. */
export interface RecordMark {
  readonly offset: number
  readonly checksum: number
}

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
  readonly m?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly r?: readonly [end: number, asked: string]
}

/**
 * Fingerprint; offset of the replay point, newest event time and idle step there; idle step at the
 * committed offset; and the watermark from which windows will be complete, if they are not.
 */
type PackedTopology =
  | readonly [string, number, PackedTime, PackedTime, PackedTime]
  | readonly [string, number, PackedTime, PackedTime, PackedTime, PackedTime]
/** ms since the epoch; `null`: none. */
type PackedTime = number | null

export function encodeMetadata(metadata: CheckpointMetadata): string {
  const { partitions, lastRecord, topologies, variants, range } = metadata
  const packed: Packed = {
    v: FORMAT,
    n: partitions,
    last: lastRecord === null ? null : [lastRecord.offset, lastRecord.checksum],
    t: Object.fromEntries([...topologies].map(([name, own]) => [name, packTopology(own)])),
    ...(variants.size > 0 && {
      m: Object.fromEntries([...variants].map(([name, of]) => [name, Object.fromEntries(of)])),
    }),
    ...(range !== null && { r: [range.end, range.asked] }),
  }
  return JSON.stringify(packed)
}

function packTopology({
  fingerprint,
  from,
  idleMs,
  wholeFromMs,
}: TopologyCheckpoint): PackedTopology {
  const times = [finite(from.newestMs), finite(from.idleMs), finite(idleMs)] as const
  const isWhole = wholeFromMs === Number.NEGATIVE_INFINITY
  return isWhole
    ? [fingerprint, from.offset, ...times]
    : [fingerprint, from.offset, ...times, wholeFromMs]
}

/** The largest possible size, bytes. @param variants the longest name of a variant of each step */
export function mostMetadataBytes(names: readonly string[], variants: ChosenVariants): number {
  const idleMs = LATEST_EVENT_TIME_MS
  const from = { offset: Number.MAX_SAFE_INTEGER, newestMs: LATEST_EVENT_TIME_MS, idleMs }
  const fingerprint = 'f'.repeat(FINGERPRINT_LENGTH)
  const own = { fingerprint, from, idleMs, wholeFromMs: LATEST_EVENT_TIME_MS }
  const largest = encodeMetadata({
    partitions: MOST_PARTITIONS,
    lastRecord: { offset: Number.MAX_SAFE_INTEGER, checksum: 2 ** 32 - 1 },
    topologies: new Map(names.map((name) => [name, own])),
    variants,
    range: { end: Number.MAX_SAFE_INTEGER, asked: '-'.repeat(LONGEST_ASKED) },
  })
  return Buffer.byteLength(largest)
}

/** `null`: Tidemark did not write it, or a version with another format did. */
export function decodeMetadata(text: string): CheckpointMetadata | null {
  const packed = parsedJson(text)
  if (!isPacked(packed)) return null
  const { n, last, t, m = {}, r } = packed
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
    range: r === undefined ? null : { end: r[0], asked: r[1] },
  }
}

/** The decoded metadata; `null`: there is none, it is not ours, or it belongs to another offset. */
export function metadataAt({
  metadata,
  nextOffset,
}: Pick<Start, 'metadata' | 'nextOffset'>): CheckpointMetadata | null {
  const decoded = metadata === null ? null : decodeMetadata(metadata)
  if (decoded === null) return null
  // A tool that moves an offset may leave the old metadata in place.
  const last = decoded.lastRecord?.offset ?? -1
  const points = [...decoded.topologies.values()].map(({ from }) => from.offset)
  return last < nextOffset && points.every((offset) => offset <= nextOffset) ? decoded : null
}

/** `null`: it is no JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Other programs write arbitrary metadata: every number is checked before it is used. */
function isPacked(of: unknown): of is Packed {
  if (!isObject(of)) return false
  const { v, n, last, t, m, r } = of
  const areVariants = m === undefined || areAll(m, (steps) => areAll(steps, isText))
  const isRange = r === undefined || (Array.isArray(r) && isCount(r[0]) && isText(r[1]))
  return (
    v === FORMAT && isCount(n) && isLast(last) && areAll(t, isTopology) && areVariants && isRange
  )
}

function areAll(of: unknown, isValid: (value: unknown) => boolean): boolean {
  return isObject(of) && Object.values(of).every(isValid)
}

function isLast(of: unknown): boolean {
  if (of === null) return true
  return Array.isArray(of) && isCount(of[0]) && isCount(of[1]) && of[1] < 2 ** 32
}

function isTopology(of: unknown): boolean {
  if (!Array.isArray(of)) return false
  const [fingerprint, offset, ...times] = of as unknown[]
  const areTimes = (times.length === 3 || times.length === 4) && times.every(isTime)
  return isText(fingerprint) && isCount(offset) && areTimes
}

function isObject(of: unknown): of is Record<string, unknown> {
  return typeof of === 'object' && of !== null && !Array.isArray(of)
}

function isCount(of: unknown): boolean {
  return Number.isSafeInteger(of) && (of as number) >= 0
}

function isText(of: unknown): boolean {
  return typeof of === 'string'
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
