import { createHash } from 'node:crypto'
import type { Header, NewRecord, TopicPartition } from '../records/port.ts'
import type { RecordFault } from './intake.ts'

// A record set aside with its reason: key, value, timestamp and headers as they came, the reason in headers.
// `__streams.errors.*` as Kafka Streams writes them (KIP-1034), `tidemark.*` for what it has no name for.

const STREAMS = '__streams.errors.'
const OWN = 'tidemark.'
/** What a record costs beside its bytes: lengths, and the batch around it. */
const OVERHEAD = 200

export interface DeadLetterPlace {
  readonly source: TopicPartition
  readonly topology: string
  /** The dead-letter topic, from the configuration: a record's own headers never choose it. */
  readonly topic: string
  /** Largest batch that the topic takes, bytes. */
  readonly maxBytes: number
}

/** Goes to the partition that the record came from, where the dead-letter topic has it. */
export function deadLetter(
  { record, step, error }: RecordFault,
  place: DeadLetterPlace,
): NewRecord {
  const kept = record.headers.filter((h) => !h.name.startsWith(STREAMS) && !h.name.startsWith(OWN))
  const reason = [
    header(`${STREAMS}exception`, 'TidemarkError'),
    header(`${STREAMS}message`, `${error.code}: ${error.message}`),
    header(`${STREAMS}topic`, place.source.topic),
    header(`${STREAMS}partition`, String(place.source.partition)),
    header(`${STREAMS}offset`, String(record.offset)),
    header(`${OWN}code`, error.code),
    header(`${OWN}stage`, step),
    header(`${OWN}attempt`, '1'),
    header(`${OWN}topology`, place.topology),
    header(`${OWN}message`, error.message),
  ]
  const whole: NewRecord = {
    topic: place.topic,
    partition: place.source.partition,
    key: record.key,
    value: record.value,
    timestampMs: record.timestampMs,
    headers: [...kept, ...reason],
  }
  return bytesOf(whole) <= place.maxBytes ? whole : withoutValue(whole, place.maxBytes)
}

/** Too large for the topic: what the value was, instead of the value; and without foreign headers if those are too much. */
function withoutValue(record: NewRecord, maxBytes: number): NewRecord {
  const { value } = record
  if (value === null) return record
  const omitted = [
    header(`${OWN}value.omitted`, 'true'),
    header(`${OWN}value.size`, String(value.length)),
    header(`${OWN}value.sha256`, createHash('sha256').update(value).digest('hex')),
  ]
  const small = { ...record, value: null, headers: [...record.headers, ...omitted] }
  if (bytesOf(small) <= maxBytes) return small
  const own = small.headers.filter((h) => h.name.startsWith(STREAMS) || h.name.startsWith(OWN))
  const key = small.key !== null && small.key.length > maxBytes / 2 ? null : small.key
  return { ...small, key, headers: own }
}

/** About what a record takes in a batch, bytes; never less. */
export function bytesOf(record: NewRecord): number {
  let bytes = OVERHEAD + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const { name, value } of record.headers) bytes += 8 + name.length * 3 + value.length
  return bytes
}

function header(name: string, text: string): Header {
  return { name, value: Buffer.from(text) }
}
