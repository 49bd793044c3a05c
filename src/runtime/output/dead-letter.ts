import { createHash } from 'node:crypto'
import type {
  Header,
  LogRecord,
  NewRecord,
  PackedBatch,
  TopicPartition,
} from '../../connect/port.ts'
import { partsBytes } from '../../connect/record-format.ts'
import type { WindowResult } from '../../engine/events.ts'
import type { Present } from '../../kernel/clock.ts'
import type { TidemarkError } from '../../kernel/errors.ts'
import { outputId } from '../../kernel/ids.ts'
import { shortened } from '../../kernel/wording.ts'
import { header, ID_HEADER } from './provenance.ts'
import { isTooLarge, type TopicLimits, timestampFault } from './topic-limits.ts'

// A dead letter: key, value and timestamp of the record as they came, and the reason in headers.
// Parts that the dead-letter topic would reject are left out or moved into headers, because otherwise
// the partition would wait for ever. `__streams.errors.*` headers as Kafka Streams writes them
// (KIP-1034), `tidemark.*` for what Kafka Streams has no name for.

const STREAMS = '__streams.errors.'
const OWN = 'tidemark.'
export const CODE_HEADER = `${OWN}code`
/**
 * The most characters of a message: with the message twice, and everything else that is reported, a
 * dead letter without its value fits into 4,096 bytes.
 */
const MAX_MESSAGE = 300

/** A record that cannot be processed further, and why. */
export interface RecordFault {
  readonly record: LogRecord
  /**
   * The closed window whose result cannot be processed further; `null`: it is the record itself.
   */
  readonly window: WindowResult | null
  /** Instead of one record: a batch that was not unpacked. */
  readonly packed?: PackedBatch
  readonly step: string
  readonly error: TidemarkError
}

/** Where a dead letter comes from and goes to. */
interface DeadLetterPlace {
  readonly source: TopicPartition
  readonly topology: string
  /** The dead-letter topic, from the configuration: never chosen by a record's own headers. */
  readonly topic: string
  readonly limits: TopicLimits
  readonly present: Present
}

/**
 * Makes a dead letter. It goes to the record's own partition number, where the dead-letter topic
 * has that partition.
 */
export function deadLetter({ record, packed, step, error }: RecordFault, place: DeadLetterPlace) {
  const kept = record.headers.filter((h) => !isReserved(h.name))
  const message = shortened(error.message, MAX_MESSAGE)
  const reason = [
    shared(`${STREAMS}exception`, 'TidemarkError'),
    shared(`${STREAMS}message`, `${error.code}: ${message}`),
    shared(`${STREAMS}topic`, place.source.topic),
    shared(`${STREAMS}partition`, String(place.source.partition)),
    header(`${STREAMS}offset`, String(record.offset)),
    shared(CODE_HEADER, error.code),
    shared(`${OWN}stage`, step),
    shared(`${OWN}topology`, place.topology),
    shared(`${OWN}message`, message),
    ...(packed === undefined ? [] : rangeOf(packed, place)),
  ]
  const whole: NewRecord = {
    topic: place.topic,
    partition: place.source.partition,
    key: record.key,
    value: record.value,
    timestampMs: record.timestampMs,
    headers: [...kept, ...reason],
  }
  return fitted(dated(whole, place), place.limits)
}

/** Headers that say which records are in a batch that was not unpacked. */
function rangeOf({ offset, lastOffset, count }: PackedBatch, place: DeadLetterPlace): Header[] {
  const id = outputId({ ...place.source, offset, sink: place.topic })
  return [
    header(ID_HEADER, id),
    header(`${OWN}offset.last`, String(lastOffset)),
    header(`${OWN}records`, String(count)),
  ]
}

/**
 * The most bytes of a header that are read: more than a worker writes. Whoever may write to the topic
 * can forge a letter.
 */
const MOST_READ_BYTES = 1_024

/**
 * Why a record was set aside, by which topology, and its position in the source, read back from a
 * dead letter's headers. A number that is missing is NaN.
 */
export function reasonOf(headers: readonly Header[]) {
  const text = (name: string) =>
    headers.find((h) => h.name === name)?.value.toString('utf8', 0, MOST_READ_BYTES) ?? ''
  const number = (name: string) => Number(text(name) || Number.NaN)
  return {
    code: text(CODE_HEADER),
    step: text(`${OWN}stage`),
    message: text(`${OWN}message`),
    at: {
      topology: text(`${OWN}topology`),
      topic: text(`${STREAMS}topic`),
      partition: number(`${STREAMS}partition`),
      offset: number(`${STREAMS}offset`),
    },
    isBatch: text(`${OWN}records`) !== '',
    isWithoutValue: text(`${OWN}value.omitted`) !== '',
  }
}

/**
 * Replaces a timestamp that the topic would reject by the present time, and keeps the original in a
 * header.
 */
function dated(record: NewRecord, { limits, present }: DeadLetterPlace): NewRecord {
  const { timestampMs, headers } = record
  if (timestampFault(timestampMs, limits, present) === null) return record
  const timestamp = header(`${OWN}timestamp`, String(timestampMs))
  return { ...record, timestampMs: present.earliestMs, headers: [...headers, timestamp] }
}

/**
 * Shrinks a record that is too large for the topic: leaves out the value, then foreign headers,
 * then the key, and says so in headers.
 */
function fitted(record: NewRecord, limits: TopicLimits): NewRecord {
  if (!isTooLarge(partsBytes(record), limits)) return record
  const { value, headers, key } = record
  if (value !== null) {
    const reasons = [
      header(`${OWN}value.omitted`, 'true'),
      header(`${OWN}value.size`, String(value.length)),
      header(`${OWN}value.sha256`, createHash('sha256').update(value).digest('hex')),
    ]
    return fitted({ ...record, value: null, headers: [...headers, ...reasons] }, limits)
  }
  const reserved = headers.filter((h) => isReserved(h.name))
  if (reserved.length < headers.length) {
    const omitted = header(`${OWN}headers.omitted`, String(headers.length - reserved.length))
    return fitted({ ...record, headers: [...reserved, omitted] }, limits)
  }
  if (key === null) return record
  const omitted = header(`${OWN}key.omitted`, 'true')
  return { ...record, key: null, headers: [...reserved, omitted] }
}

/**
 * Whether it is a header that gives the reason. Incoming headers of such names are dropped, so that a
 * reason cannot be forged.
 */
function isReserved(name: string): boolean {
  return name.startsWith(STREAMS) || name.startsWith(OWN)
}

/** Headers shared by many dead letters: ten of their own would be a kilobyte for each. */
const SHARED = new Map<string, Header>()
const MOST_SHARED = 1_000

function shared(name: string, text: string): Header {
  const key = `${name}\n${text}`
  const known = SHARED.get(key)
  if (known !== undefined) return known
  if (SHARED.size >= MOST_SHARED) SHARED.clear()
  const fresh = header(name, text)
  SHARED.set(key, fresh)
  return fresh
}
