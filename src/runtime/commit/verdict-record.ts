import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import type { LogRecord } from '../../records/port.ts'
import type { OffsetRange } from './offset-ranges.ts'

// A verdict as it is written down: key `schema/<block>`, value JSON. The block bounds its size.

/** Version of the format. */
const FORMAT = 1
/** Offsets of a partition that share a record. */
const BLOCK_OFFSETS = 1_024
const KEY = /^schema\/(\d+)$/
/** Two numbers of at most 16 digits, brackets and commas. */
const MOST_RANGE_BYTES = 36

/**
 * A record can always be written: it holds at most every other offset of its block, and fits into
 * this many bytes.
 */
export const MOST_VERDICT_BYTES = (BLOCK_OFFSETS / 2) * MOST_RANGE_BYTES + 1_024

/** The records of one block that were given up. */
export interface BlockVerdict {
  readonly block: number
  /** The id of the source topic; `null`: its brokers have none. */
  readonly topicId: string | null
  /** In ascending order, none empty, not touching. */
  readonly unknown: readonly OffsetRange[]
}

/** Number of the block that an offset is in. */
export function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_OFFSETS)
}

/** The offset after the last one of a block. */
export function endOfBlock(block: number): number {
  return (block + 1) * BLOCK_OFFSETS
}

/** Encodes a verdict; without any offset it is a tombstone, which deletes the record. */
export function packVerdict({ block, topicId, unknown }: BlockVerdict): {
  readonly key: Buffer
  readonly value: Buffer | null
} {
  const text = unknown.length === 0 ? null : JSON.stringify({ v: FORMAT, topicId, unknown })
  return { key: Buffer.from(`schema/${block}`), value: text === null ? null : Buffer.from(text) }
}

/**
 * Decodes a verdict; without a value none of its block is given up. `null`: it is a record of
 * another kind.
 * @throws TidemarkError `VERDICT_INVALID`
 */
export function unpackVerdict(record: LogRecord, of: Place): BlockVerdict | null {
  const [, digits] = KEY.exec(String(record.key ?? '')) ?? []
  if (digits === undefined) return null
  const block = Number(digits)
  if (record.value === null) return { block, topicId: null, unknown: [] }
  const value = parsed(record.value)
  if (isPacked(value)) return { block, topicId: value.topicId, unknown: value.unknown }
  throw new TidemarkError(
    'VERDICT_INVALID',
    'a verdict on records with an unknown schema cannot be read',
    {
      where: position(of.topic, of.partition, record.offset),
      hint: 'it was written by another program or a later version; see docs/errors.md, VERDICT_INVALID',
    },
  )
}

interface Place {
  readonly topic: string
  readonly partition: number
}

interface Packed {
  readonly v: number
  readonly topicId: string | null
  readonly unknown: readonly OffsetRange[]
}

function parsed(value: Buffer): unknown {
  try {
    return JSON.parse(String(value))
  } catch {
    return null
  }
}

function isPacked(of: unknown): of is Packed {
  if (typeof of !== 'object' || of === null) return false
  const { v, topicId, unknown } = of as Partial<Record<keyof Packed, unknown>>
  const isId = topicId === null || typeof topicId === 'string'
  return v === FORMAT && isId && Array.isArray(unknown) && unknown.every(isRange)
}

function isRange(of: unknown): boolean {
  return Array.isArray(of) && of.length === 2 && of.every(Number.isSafeInteger) && of[0] <= of[1]
}
