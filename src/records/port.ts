import type { ByteRoom } from '../kernel/byte-room.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { PartsPlace, ValuePlace } from '../kernel/memory.ts'

// Where records live. One port, several drivers (memory/, kafka/); one contract suite holds them to
// it. Offsets are plain numbers: exact up to 2^53, which a partition does not reach.

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Header {
  readonly name: string
  readonly value: Buffer
}

/**
 * A record as it lies in the log. The buffers belong to the chunk: copy what outlives it. Its parts
 * may be getters, which make them anew each time, so that it cannot be spread.
 */
export interface LogRecord {
  readonly offset: number
  /**
   * The record's own Kafka timestamp, ms since the epoch: any whole number of 64 bits, rounded
   * beyond 2^53; −1: it has none.
   */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly Header[]
}

/** Records in log order. An object is made of one when it is asked for, each time anew. */
export interface LogRecords extends Iterable<LogRecord> {
  readonly length: number
  at(index: number): LogRecord
  offsetAt(index: number): number
  timestampMsAt(index: number): number
  /** Bytes of its value; 0 if it has none. */
  valueBytes(index: number): number
  /** Bytes of key, value and headers in a batch. */
  partsBytes(index: number): number
  /** Says where its value lies, so that nobody has to make a buffer of it. */
  locate(index: number, into: ValuePlace): void
  /**
   * Says where its parts lie as in a batch, if they lie so anywhere: whoever writes them again need
   * not take them apart.
   */
  locateParts(index: number, into: PartsPlace): void
  /** Appends its key behind its length, as in a batch. */
  appendKey(index: number, into: ByteRoom): void
  /** Those from ≤ i < to. @param to @default their length */
  slice(from: number, to?: number): LogRecords
}

/**
 * A batch that unpacks to more than is allowed, as it lies in the log: nobody has looked into it.
 */
export interface PackedBatch {
  /** Of its first record that is to be read. */
  readonly offset: number
  readonly lastOffset: number
  /** Records from `offset` on, as its header says. */
  readonly count: number
  /** Of its newest record, by its header. */
  readonly timestampMs: number
  readonly bytes: Buffer
  /** `BATCH_TOO_LARGE`, with what it unpacks to at least. */
  readonly error: TidemarkError
}

/** The most bytes that a compressed batch may unpack to. */
export const MOST_UNPACKED_BYTES = 64 * 2 ** 20

/**
 * The most records of a chunk. A driver lets others of the process have their turn between chunks.
 */
export const MOST_CHUNK_RECORDS = 2_048

/**
 * Records of one partition in log order, read under one assignment: so many that what is done with
 * them is soon done.
 */
export interface Chunk extends TopicPartition {
  /** The assignment this was read under; a chunk of an older one is worthless. */
  readonly epoch: number
  readonly records: LogRecords
  /** Instead of records. */
  readonly packed?: PackedBatch
  /** The offset to read next, past the last record and past any gap behind it. */
  readonly nextOffset: number
  /** End of the partition when this was read (high watermark): lag = endOffset − nextOffset. */
  readonly endOffset: number
}

/** Where a group is in a partition when it is given to a member. */
export interface Start extends TopicPartition {
  /**
   * What comes next of what nobody has finished: the committed offset, or without one the end of
   * the log that was asked for.
   */
  readonly nextOffset: number
  /**
   * What stands beside the committed offset, whoever wrote it: empty when an operator's tool did,
   * or when a member has only made the partition its own. `null`: the group has committed nothing.
   */
  readonly metadata: string | null
  /** Offset of the first record that the log still holds. */
  readonly lowOffset: number
}

/** One assignment of a partition to this member. */
export interface Assignment extends Start {
  /** Grows with every assignment of the partition to this process. */
  readonly epoch: number
  /**
   * Offset of the first record of the time that {@link MemberHandlers.lookBackMs} asked for:
   * `lowOffset` to `nextOffset`.
   */
  readonly lookBackOffset: number
}

/** A record to be written. */
export interface NewRecord {
  readonly topic: string
  /**
   * Taken modulo the topic's partitions; `null`: by the key's murmur2 as Java's default partitioner
   * does (no key: partition 0).
   */
  readonly partition: number | null
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestampMs: number
  readonly headers: readonly Header[]
}

/** Records to be written, in order. */
export interface NewRecords extends Iterable<NewRecord> {
  readonly length: number
}

export interface NextOffset extends TopicPartition {
  readonly epoch: number
  readonly nextOffset: number
  /** At most {@link MOST_METADATA_BYTES}. */
  readonly metadata: string
}

/**
 * Most bytes of metadata beside an offset: brokers take 4,096 unless told otherwise
 * (`offset.metadata.max.bytes`), and what a driver puts before them takes up to 296.
 */
export const MOST_METADATA_BYTES = 3_800

/**
 * What becomes durable together, as the member's {@link Guarantee} says. Its records are for the
 * driver until the commit resolves: their memory is used again then.
 */
export interface Commit {
  readonly outputs: NewRecords
  readonly deadLetters: NewRecords
  readonly nextOffsets: readonly NextOffset[]
  /**
   * It cannot be made smaller: it gets as long as its bytes need, at most what the broker allows.
   * @default false
   */
  readonly isSmallest?: boolean
}

/** A partition that cannot be read just now. */
export interface Unreadable extends TopicPartition {
  /** Why, in words. */
  readonly reason: string
}

/**
 * Why partitions are gone. `revoked`: the group assigned them to others, in a rebalance that this
 * member took part in · `expelled`: the group went on without this member, and others may have had
 * them since · `cut`: records that were to be read again are not in the log any more, and the
 * partition is assigned once more.
 */
export type Loss = 'revoked' | 'expelled' | 'cut'

/** Stops and starts the flow of chunks of partitions. */
export interface Valve {
  /** At most one more chunk may come. */
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
}

/** What a driver tells the worker. Handlers must not throw. */
export interface MemberHandlers {
  /**
   * Asked before a partition is assigned: how much of the log before `nextOffset` it may want to
   * read, ms by the records' own timestamps, counted back from the record there (or else the last
   * one before); 0: nothing. @default +Infinity, all of it
   */
  lookBackMs?(start: Start): number
  /**
   * A partition that is new to this member; also one of which records were deleted while they were
   * read again. Its first chunk comes after this returns.
   * @param valve the member's, by which its flow can be stopped from now on
   * @returns where reading begins: `lowOffset` to `nextOffset`, which may be before what was
   * committed, to replay it
   */
  assigned(assignment: Assignment, valve: Valve): number
  /** Partitions that are gone: nothing of theirs may be committed from now on. */
  lost(partitions: readonly TopicPartition[], why: Loss): void
  chunk(chunk: Chunk): void
  /** A partition was read to its end: nothing to fetch at `endOffset`. */
  caughtUp(partition: TopicPartition, endOffset: number): void
  /**
   * How many partitions a topic has: told to every member before it is given any, and when it
   * changes.
   */
  partitions?(topic: string, count: number): void
  /**
   * Which partitions of this member could not be read for some seconds: all of them, whenever that
   * changes. Where such a one ends is not known; once it can be read again its end is told anew.
   */
  unreadable(partitions: readonly Unreadable[]): void
  /** A broker has answered with records, so long after it was asked; before they come as chunks. */
  fetched?(durationMs: number): void
  /**
   * A broker takes no requests to read, or to write, for so long, since this member is over a
   * quota.
   */
  throttled(durationMs: number, of: 'reading' | 'writing'): void
  /**
   * The member works no more, and why; joining again may help when the error's action is `retry`.
   */
  failed(error: Error): void
}

/** One member of a consumer group. */
export interface Member extends Valve {
  /**
   * Makes a commit durable; at least once its offsets may follow a moment later, and do before the
   * member leaves or loses their partitions. One at a time. A partition whose epoch has passed is
   * its new owner's: at least once its offsets are left out, exactly once the whole commit is
   * refused, since it holds outputs of that partition.
   * @throws TidemarkError `REBALANCING` (the group is rebalancing, or has:
   * assemble it again of what is left; whether what was lost is committed its new owners see) ·
   * `COMMIT_FAILED` or `BROKER_UNAVAILABLE` (nothing of the offsets was committed; at least once
   * outputs may stand in the log: send all again) · `COMMIT_TIMED_OUT` (its bytes could not be
   * written in time: the same, and a smaller one may get through) · `FENCED` (the group went on
   * without this member) · `TOPIC_MISSING`, `TOPIC_LIMITS`, `AUTHORIZATION`, `CONFIG_INVALID` or
   * `WORKER_NAME_TAKEN`: sent again it fails again
   */
  commit(commit: Commit): Promise<void>
  /** Stops fetching everywhere; commits are still taken. */
  stopFetching(): void
  /** Leaves the group at once, so that others take over, and closes the connections. */
  leave(): Promise<void>
}

/** What is known of a topic before anything is consumed. */
export interface TopicInfo {
  readonly name: string
  /**
   * Differs from that of a topic of the same name that was deleted; `null`: the broker does not
   * tell.
   */
  readonly id: string | null
  readonly partitions: number
  /** Largest record batch the topic takes, bytes; `null` when the broker does not tell. */
  readonly maxMessageBytes: number | null
  /**
   * Size of its segments, bytes, over which no batch is taken (`segment.bytes`); `null` when the
   * broker does not tell.
   */
  readonly segmentBytes: number | null
  /** `CreateTime`: by the producer. `LogAppendTime`: by the broker. */
  readonly timestampType: 'CreateTime' | 'LogAppendTime' | null
  /**
   * How far a record's timestamp may lie after the broker's clock, ms
   * (`message.timestamp.after.max.ms`); `null`: not told.
   */
  readonly timestampAfterMaxMs: number | null
  /** How far it may lie before it, ms (`message.timestamp.before.max.ms`); `null`: not told. */
  readonly timestampBeforeMaxMs: number | null
  /**
   * Does the broker remove records that a later one of the same key replaces (`cleanup.policy`)?
   * `null`: not told.
   */
  readonly isCompacted: boolean | null
}

/** What a group has committed for a partition. */
export interface Committed {
  readonly nextOffset: number
  readonly metadata: string
}

/** Where a group stands in a partition, and how far the partition reaches. */
export interface PartitionOffsets extends TopicPartition {
  /** `null` when nothing was committed. */
  readonly committed: Committed | null
  readonly lowOffset: number
  /** End of what a reader of committed records sees. */
  readonly endOffset: number
}

/** The end of the log at which a partition without a committed offset begins. */
export type From = 'earliest' | 'latest'

/**
 * What a commit is. `exactly-once`: all of it or nothing; a reader of committed records sees
 * outputs, dead letters and offsets at once. `at-least-once`: outputs and dead letters first, then
 * offsets, so that outputs may stand in the log twice.
 */
export type Guarantee = 'exactly-once' | 'at-least-once'

export interface JoinOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly from: From
  /**
   * By topic, partitions that it had when the group began: those after them were added, and begin
   * at their start. @default all
   */
  readonly known?: ReadonlyMap<string, number>
  /** @default 'exactly-once' */
  readonly guarantee?: Guarantee
  readonly handlers: MemberHandlers
}

/** What a worker does with a cluster, and its user needs rights for. */
export interface Needs {
  readonly group: string
  readonly guarantee: Guarantee
  /** Topics. */
  readonly reads: readonly string[]
  readonly writes: readonly string[]
}

/** A driver: a connection to where records live. */
export interface Records {
  /**
   * An `AUTHORIZATION` for each right that is lacking, as far as that can be told beforehand. Joins
   * nothing, and changes nothing.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`
   */
  missingRights(needs: Needs): Promise<readonly TidemarkError[]>
  /** @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION` */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  /**
   * Where a group stands in the partitions of a topic, in their order; those that have no leader
   * are left out. Joins nothing.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`, `TOPIC_MISSING`
   */
  partitionOffsets(group: string, topic: string): Promise<readonly PartitionOffsets[]>
  /**
   * Joins the group; resolves once all that was assigned has been handed over, but for partitions
   * without a leader.
   */
  join(options: JoinOptions): Promise<Member>
  close(): Promise<void>
}
