import { crc32 } from 'node:zlib'
import type { LogRecord, Start } from '../../connect/port.ts'
import type { WatermarkParts } from '../../engine/watermark.ts'
import { isJsonObject } from '../../kernel/json.ts'
import { LATEST_EVENT_TIME_MS } from '../../kernel/time.ts'
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
  /** Hash of all that determines its windows. */
  readonly fingerprint: string
  readonly from: ReplayPoint
  /**
   * The time to which idleness had advanced the watermark there, ms since the epoch; −Infinity:
   * not at all.
   */
  readonly idleMs: number
  /**
   * The watermark from which its windows are complete; −Infinity: any · `null`: the first event
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

/** The range of a partition that a group reads, as its first worker has found it (rule S4). */
export interface NotedRange {
  /** The offset at which reading ends. */
  readonly end: number
  /** The range that all workers were asked for: at most {@link LONGEST_ASKED} ASCII characters. */
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
  const keyChecksum = crc32(key ?? '', timestampMs >>> 0)
  return { offset, checksum: crc32(value ?? '', keyChecksum) }
}

export function encodeMetadata(metadata: CheckpointMetadata): string {
  const { partitions, lastRecord, topologies, variants, range } = metadata
  return JSON.stringify({
    v: FORMAT,
    n: partitions,
    last: lastRecord === null ? null : [lastRecord.offset, lastRecord.checksum],
    t: objectOf(topologies, packTopology),
    ...(variants.size > 0 && { m: objectOf(variants, (steps) => Object.fromEntries(steps)) }),
    ...(range !== null && { r: [range.end, range.asked] }),
  })
}

function objectOf<T>(map: ReadonlyMap<string, T>, pack: (value: T) => unknown): object {
  return Object.fromEntries([...map].map(([name, value]) => [name, pack(value)]))
}

/**
 * Fingerprint; offset of the replay point, newest event time and idle step there; idle step at the
 * committed offset; and the watermark from which windows will be complete, if they are not. JSON
 * has `null` for a time that is −Infinity.
 */
function packTopology({ fingerprint, from, idleMs, wholeFromMs }: TopologyCheckpoint): unknown[] {
  const packed = [fingerprint, from.offset, from.newestMs, from.idleMs, idleMs]
  return wholeFromMs === Number.NEGATIVE_INFINITY ? packed : [...packed, wholeFromMs]
}

/** The largest possible size, bytes. @param variants the longest name of a variant of each step */
export function mostMetadataBytes(names: readonly string[], variants: ChosenVariants): number {
  const idleMs = LATEST_EVENT_TIME_MS
  const from = { offset: Number.MAX_SAFE_INTEGER, newestMs: LATEST_EVENT_TIME_MS, idleMs }
  const fingerprint = 'f'.repeat(FINGERPRINT_LENGTH)
  const checkpoint = { fingerprint, from, idleMs, wholeFromMs: LATEST_EVENT_TIME_MS }
  const largest = encodeMetadata({
    partitions: MOST_PARTITIONS,
    lastRecord: { offset: Number.MAX_SAFE_INTEGER, checksum: 2 ** 32 - 1 },
    topologies: new Map(names.map((name) => [name, checkpoint])),
    variants,
    range: { end: Number.MAX_SAFE_INTEGER, asked: '-'.repeat(LONGEST_ASKED) },
  })
  return Buffer.byteLength(largest)
}

/** `null`: Tidemark did not write it, or a version with another format did. */
export function decodeMetadata(text: string): CheckpointMetadata | null {
  try {
    const { v, n, last, t, m = {}, r } = fields(JSON.parse(text))
    if (v !== FORMAT) return null
    return {
      partitions: count(n),
      lastRecord: last === null ? null : unpackMark(last),
      topologies: mapOf(t, unpackTopology),
      variants: mapOf(m, (steps) => mapOf(steps, word)),
      range: r === undefined ? null : unpackRange(r),
    }
  } catch {
    return null
  }
}

function unpackMark(json: unknown): RecordMark {
  const [offset, checksum] = list(json)
  return { offset: count(offset), checksum: count(checksum, 2 ** 32 - 1) }
}

function unpackTopology(json: unknown): TopologyCheckpoint {
  const [fingerprint, offset, newestMs, idleMs, idleAtEnd, whole] = list(json)
  return {
    fingerprint: word(fingerprint),
    from: { offset: count(offset), newestMs: time(newestMs), idleMs: time(idleMs) },
    idleMs: time(idleAtEnd),
    wholeFromMs: whole === null ? null : time(whole ?? null),
  }
}

function unpackRange(json: unknown): NotedRange {
  const [end, asked] = list(json)
  return { end: count(end), asked: word(asked) }
}

/** The decoded metadata; `null`: there is none, it is not ours, or it belongs to another offset. */
export function metadataAt({ metadata, nextOffset }: Pick<Start, 'metadata' | 'nextOffset'>) {
  const decoded = metadata === null ? null : decodeMetadata(metadata)
  if (decoded === null) return null
  // A tool that moves an offset may leave the old metadata in place.
  const last = decoded.lastRecord?.offset ?? -1
  const points = [...decoded.topologies.values()].map(({ from }) => from.offset)
  return last < nextOffset && points.every((offset) => offset <= nextOffset) ? decoded : null
}

// Other programs write arbitrary metadata: every value is checked before it is used.

/** @throws TypeError */
function checked<T>(json: unknown, isValid: (value: unknown) => value is T): T {
  if (isValid(json)) return json
  throw new TypeError('it is not ours')
}

function fields(json: unknown): Readonly<Record<string, unknown>> {
  return checked(json, isJsonObject)
}

function mapOf<T>(json: unknown, unpack: (value: unknown) => T): ReadonlyMap<string, T> {
  return new Map(Object.entries(fields(json)).map(([name, value]) => [name, unpack(value)]))
}

function list(json: unknown): unknown[] {
  return checked(json, Array.isArray)
}

function count(json: unknown, most = Number.MAX_SAFE_INTEGER): number {
  const isIn = (n: unknown): n is number =>
    Number.isInteger(n) && Number(n) >= 0 && Number(n) <= most
  return checked(json, isIn)
}

function word(json: unknown): string {
  return checked(json, (text): text is string => typeof text === 'string')
}

/** Idle steps may have fractions of a millisecond. */
function time(json: unknown): number {
  if (json === null) return Number.NEGATIVE_INFINITY
  return checked(
    json,
    (ms): ms is number => typeof ms === 'number' && Math.abs(ms) <= Number.MAX_SAFE_INTEGER,
  )
}
