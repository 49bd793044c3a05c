import { configFault, TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import { partitionOfKey } from '../../kernel/kafka.ts'
import { ListedRecords } from '../log-records.ts'
import { type LogRecord, type NewRecord, type TopicInfo, type TopicPartition } from '../port.ts'

/** Nothing is reported of a topic. */
const UNREPORTED: Omit<TopicInfo, 'name' | 'partitions'> = {
  id: null,
  maxMessageBytes: null,
  segmentBytes: null,
  timestampType: null,
  timestampAfterMaxMs: null,
  timestampBeforeMaxMs: null,
  isCompacted: null,
  isTrimmed: null,
  retentionMs: null,
}

export interface LogPosition extends TopicPartition {
  readonly offset: number
}

export interface TopicOptions {
  readonly partitions: number
  /** Largest record the topic takes, bytes of key, value and headers. @default unbounded */
  readonly maxMessageBytes?: number
  /** A setting to report; nothing is ever compacted. @default false */
  readonly isCompacted?: boolean
}

interface Topic {
  readonly info: TopicInfo
  readonly partitions: readonly Partition[]
}

interface Partition {
  lowOffset: number
  records: LogRecord[]
}

export class MemoryLog {
  readonly #topics = new Map<string, Topic>()
  #created = 0

  createTopic(name: string, options: TopicOptions): void {
    const { partitions, maxMessageBytes = null, isCompacted = false } = options
    if (this.#topics.has(name)) throw configFault(`topic "${name}" exists already`)
    this.#topics.set(name, {
      info: {
        ...UNREPORTED,
        name,
        id: String(this.#created++),
        partitions,
        maxMessageBytes,
        timestampType: 'CreateTime',
        isCompacted,
        isTrimmed: !isCompacted,
      },
      partitions: Array.from({ length: partitions }, emptyPartition),
    })
  }

  deleteTopic(name: string): void {
    this.#topic(name)
    this.#topics.delete(name)
  }

  describe(name: string): TopicInfo | undefined {
    return this.#topics.get(name)?.info
  }

  partitionsOf(topic: string): TopicPartition[] {
    return this.#topic(topic).partitions.map((_, partition) => ({ topic, partition }))
  }

  /** @throws TidemarkError `TOPIC_MISSING` · `TOPIC_LIMITS` */
  append(record: NewRecord): LogPosition {
    const place = this.#placeOf(record)
    const { lowOffset, records } = this.#partition(place.topic, place.partition)
    const offset = lowOffset + records.length
    records.push({ offset, ...ownCopy(record) })
    return { ...place, offset }
  }

  /** Appends all records, or none if one is refused. */
  appendAll(all: readonly NewRecord[]): void {
    for (const record of all) this.#placeOf(record)
    for (const record of all) this.append(record)
  }

  /** At most `limit` records from an offset on. */
  read({ topic, partition, offset }: LogPosition, limit = Number.POSITIVE_INFINITY): LogRecord[] {
    const { lowOffset, records } = this.#partition(topic, partition)
    const from = Math.max(0, offset - lowOffset)
    return records.slice(from, from + limit)
  }

  /** @throws TidemarkError `OFFSET_OUT_OF_RANGE` */
  chunkAt(at: LogPosition & { readonly epoch: number }, limit: number) {
    const { topic, partition, epoch, offset } = at
    const { lowOffset } = this.#partition(topic, partition)
    if (offset < lowOffset) {
      const message = 'records were deleted from the log before they were read'
      const where = position(topic, partition, offset)
      throw new TidemarkError('OFFSET_OUT_OF_RANGE', message, { where })
    }
    const read = this.read(at, limit)
    const ends = { nextOffset: offset + read.length, endOffset: this.endOffset(at) }
    return { topic, partition, epoch, records: new ListedRecords(read), ...ends }
  }

  endOffset({ topic, partition }: TopicPartition): number {
    const { lowOffset, records } = this.#partition(topic, partition)
    return lowOffset + records.length
  }

  lowOffset({ topic, partition }: TopicPartition): number {
    return this.#partition(topic, partition).lowOffset
  }

  /** @param partitions the new total */
  addPartitions(name: string, partitions: number): void {
    const { info, partitions: before } = this.#topic(name)
    const added = Array.from({ length: partitions - before.length }, emptyPartition)
    this.#topics.set(name, { info: { ...info, partitions }, partitions: [...before, ...added] })
  }

  deleteBefore({ topic, partition, offset }: LogPosition): void {
    const kept = this.#partition(topic, partition)
    if (offset <= kept.lowOffset) return
    kept.records = kept.records.slice(offset - kept.lowOffset)
    kept.lowOffset = offset
  }

  #placeOf(record: NewRecord): TopicPartition {
    const { topic } = record
    const { info } = this.#topic(topic)
    const bytes = sizeOf(record)
    if (info.maxMessageBytes !== null && bytes > info.maxMessageBytes) {
      const message = `a record of ${bytes} bytes is over the topic's limit of ${info.maxMessageBytes}`
      throw new TidemarkError('TOPIC_LIMITS', message, { where: topic })
    }
    return { topic, partition: partitionOf(record, info.partitions) }
  }

  #partition(topic: string, partition: number): Partition {
    const log = this.#topic(topic).partitions[partition]
    if (log === undefined) {
      throw new TidemarkError('TOPIC_MISSING', `topic "${topic}" has no partition ${partition}`)
    }
    return log
  }

  #topic(name: string): Topic {
    const topic = this.#topics.get(name)
    if (topic === undefined) {
      throw new TidemarkError('TOPIC_MISSING', `topic "${name}" does not exist`)
    }
    return topic
  }
}

function emptyPartition(): Partition {
  return { lowOffset: 0, records: [] }
}

/** Copies a record's parts, because the writer reuses their memory when the commit is over. */
function ownCopy({ timestampMs, key, value, headers }: NewRecord) {
  return {
    timestampMs,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.map((header) => ({ ...header, value: Buffer.from(header.value) })),
  }
}

function sizeOf({ key, value, headers }: NewRecord): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += Buffer.byteLength(header.name) + header.value.length
  return bytes
}

/** Chooses as a Java producer does, so that both can write to one topic. */
export function partitionOf(record: Pick<NewRecord, 'partition' | 'key'>, partitions: number) {
  if (record.partition !== null) return record.partition % partitions
  return record.key === null ? 0 : partitionOfKey(record.key, partitions, 'murmur2')
}
