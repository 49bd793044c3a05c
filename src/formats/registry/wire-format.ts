import { TidemarkError } from '../../kernel/errors.ts'

// Confluent's wire format: a zero byte, the schema's id as a 32-bit integer, the value. Before a
// Protobuf value come the indexes that lead to its message's type (Confluent Platform, "Formats,
// Serializers, and Deserializers", Wire format).

/** Bytes before the value. */
export const PREFIX_BYTES = 5
const MAGIC = 0

/** The largest first byte of an id: ids are Java's ints, and registries look for no larger one. */
const LARGEST_FIRST = 0x7f

/** The schema id of a record's value; `null`: the value has none. */
export function schemaIdOf(value: Uint8Array, from: number, to: number): number | null {
  if (to - from < PREFIX_BYTES || value[from] !== MAGIC) return null
  const byte = (index: number) => value[from + index] as number
  if (byte(1) > LARGEST_FIRST) return null
  return (byte(1) << 24) | (byte(2) << 16) | (byte(3) << 8) | byte(4)
}

/** What comes before the values of a schema. */
export function prefixOf(id: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(id, 1)
  return prefix
}

/** A value without a schema id. */
export function noSchemaId(length: number): TidemarkError {
  const what =
    length < PREFIX_BYTES
      ? `the value has ${length} bytes, too few for a schema id`
      : 'the value does not begin with a zero byte and a schema id'
  const hint = "the source's records are expected in the wire format of a schema registry"
  return new TidemarkError('SCHEMA_ID_MISSING', what, { hint })
}

/** The most nested messages: deeper ones are not real. */
const MOST_INDEXES = 64

/** Where a message's type is in its file, and where the message itself begins. */
export interface MessageAt {
  /** The index of a message in the file, then of one nested in it, and so on. */
  readonly indexes: readonly number[]
  readonly start: number
}

/**
 * Reads the message indexes of a Protobuf value: their number and each of them as a zigzag varint;
 * a single 0 stands for the first message of the file.
 * @returns `null`: there are none
 */
export function readMessageIndexes(payload: Uint8Array): MessageAt | null {
  let at = 0
  const next = (): number => {
    let [value, shift] = [0, 0]
    for (; at < payload.length && shift < 32; shift += 7) {
      const byte = payload[at++] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    return -1
  }
  const count = next()
  if (count === 0) return { indexes: [0], start: at }
  if (count < 0 || count > MOST_INDEXES) return null
  const indexes = Array.from({ length: count }, next)
  return indexes.some((index) => index < 0) ? null : { indexes, start: at }
}

/** The bytes that {@link readMessageIndexes} reads. */
export function messageIndexBytes(indexes: readonly number[]): Buffer {
  if (indexes.length === 1 && indexes[0] === 0) return Buffer.of(0)
  return Buffer.from([indexes.length, ...indexes].flatMap(zigzagVarint))
}

function zigzagVarint(number: number): number[] {
  const bytes: number[] = []
  let rest = number * 2
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return [...bytes, rest]
}
