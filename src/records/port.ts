import type { ByteRoom, PartsPlace, ValuePlace } from '../kernel/bytes.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { Compression } from '../kernel/kafka.ts'
import type { NewTopic, TopicInfo } from './topic-info.ts'

export type { NewTopic, TopicInfo } from './topic-info.ts'

// Where records live: one port, several drivers (memory/, kafka/), and one contract test suite for
// all of them. Offsets are plain numbers, which are exact up to 2^53; no partition reaches that.

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A header of a record. */
export interface Header {
  readonly name: string
  readonly value: Buffer
}

/**
 * A record of the log. The buffers belong to the chunk: copy what must outlive it. The properties
 * may be getters that create a new object on each access, so a record must not be spread.
 */
export interface LogRecord {
  readonly offset: number
  /**
   * The record's own Kafka timestamp, ms since the epoch: any 64-bit integer, rounded beyond 2^53;
   * −1: it has none.
   */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly Header[]
}

/** Records in log order. A record object is created on each access. */
export interface LogRecords extends Iterable<LogRecord> {
  readonly length: number
  at(index: number): LogRecord
  offsetAt(index: number): number
  timestampMsAt(index: number): number
  /** Bytes of its value; 0 if it has none. */
  valueBytes(index: number): number
  /** Bytes that key, value and headers take in a batch. */
  partsBytes(index: number): number
  /** Reports where its value lies in memory, so that it can be read without creating a buffer. */
  locate(index: number, into: ValuePlace): void
  /**
   * Reports where its parts lie in the form that they have in a batch, if they exist in that form,
   * so that they can be written again without being decoded.
   */
  locateParts(index: number, into: PartsPlace): void
  /** Appends the length of its key and its key, as in a batch. */
  appendKey(index: number, into: ByteRoom): void
  /** May any of them have a header? */
  readonly hasHeaders: boolean
  /** Reports where its headers lie as in a batch: their number, then the headers. */
  locateHeaders(index: number, into: PartsPlace): void
  /**
   * Returns the records from ≤ i < to.
   * @param to @default their length
   */
  slice(from: number, to?: number): LogRecords
}

/** A batch of the log that unpacks to more than is allowed, and was therefore not decoded. */
export interface PackedBatch {
  /** Offset of its first record that is to be read. */
  readonly offset: number
  readonly lastOffset: number
  /** Number of records from `offset` on, by its header. */
  readonly count: number
  /** Timestamp of its newest record, by its header, ms since the epoch. */
  readonly timestampMs: number
  readonly bytes: Buffer
  /** `BATCH_TOO_LARGE`, with the limit that it exceeds when unpacked. */
  readonly error: TidemarkError
}

/** The most bytes that a compressed batch may unpack to. */
export const MOST_UNPACKED_BYTES = 64 * 2 ** 20

/** The most records of a chunk. A driver yields to the event loop between chunks. */
export const MOST_CHUNK_RECORDS = 2_048

/**
 * Records of one partition in log order, read under one assignment: few enough to be processed
 * quickly.
 */
export interface Chunk extends TopicPartition {
  /** Epoch of the assignment under which this was read; a chunk of an older one must be dropped. */
  readonly epoch: number
  readonly records: LogRecords
  /** Set instead of records. */
  readonly packed?: PackedBatch
  /** The offset to read next: after the last record and any gap that follows it. */
  readonly nextOffset: number
  /** End of the partition (high watermark) when this was read: lag = endOffset − nextOffset. */
  readonly endOffset: number
}

/** Where a group is in a partition when the partition is assigned to a member. */
export interface Start extends TopicPartition {
  /**
   * The next offset to process: the committed offset, or without one the requested end of the log.
   */
  readonly nextOffset: number
  /**
   * Metadata of the committed offset, whoever wrote it. Empty when an operator's tool set the
   * offset, or when a member has only claimed the partition. `null`: the group has committed
   * nothing.
   */
  readonly metadata: string | null
  /** Offset of the first record that the log still has. */
  readonly lowOffset: number
}

/** One assignment of a partition to this member. */
export interface Assignment extends Start {
  /** Grows with every assignment of the partition to this process. */
  readonly epoch: number
  /**
   * Offset of the first record within the period that {@link MemberHandlers.lookBackMs} asked for:
   * from `lowOffset` to `nextOffset`.
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

/** The offset to commit for a partition: the one after the last processed record. */
export interface NextOffset extends TopicPartition {
  readonly epoch: number
  readonly nextOffset: number
  /** At most {@link MOST_METADATA_BYTES} bytes. */
  readonly metadata: string
}

/**
 * The most bytes of metadata that can be committed with an offset. Brokers accept 4,096 by default
 * (`offset.metadata.max.bytes`), and a driver puts up to 296 bytes of its own before it.
 */
export const MOST_METADATA_BYTES = 3_800

/**
 * What becomes durable together, as the member's {@link Guarantee} says. The records belong to the
 * driver until the commit resolves; then their memory is reused.
 */
export interface Commit {
  readonly outputs: NewRecords
  readonly deadLetters: NewRecords
  readonly nextOffsets: readonly NextOffset[]
  /**
   * Is it a commit that cannot be made smaller? Then it may take as long as its bytes need, up to
   * the broker's limit.
   * @default false
   */
  readonly isSmallest?: boolean
}

/** A partition that cannot be read at the moment. */
export interface Unreadable extends TopicPartition {
  /** Why, in words. */
  readonly reason: string
}

/**
 * Why partitions are lost. `revoked`: the group assigned them to others, in a rebalance that this
 * member took part in · `expelled`: the group continued without this member, and others may have
 * had them since · `cut`: records that were to be replayed are no longer in the log, and the
 * partition is assigned once more.
 */
export type Loss = 'revoked' | 'expelled' | 'cut'

/** Pauses and resumes the flow of chunks of single partitions. */
export interface Valve {
  /** Pauses a partition: at most one more chunk of it may follow. */
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
}

/** What a driver calls in the worker. Handlers must not throw. */
export interface MemberHandlers {
  /**
   * Called before a partition is assigned: how much of the log before `nextOffset` the worker may
   * want to read, ms by the records' own timestamps, counted back from the record at `nextOffset`
   * (or else the last one before it); 0: nothing.
   * @default +Infinity, all of it
   */
  lookBackMs?(start: Start): number
  /**
   * Called when a partition is assigned to this member, and again when records of it were deleted
   * during the replay. Its first chunk comes after this returns.
   * @param valve the member's, with which the flow of this partition can be stopped from now on
   * @returns where reading begins: from `lowOffset` to `nextOffset`. An offset before the committed
   * one replays the records between them
   */
  assigned(assignment: Assignment, valve: Valve): number
  /**
   * Are chunks before the committed offset still being processed? Meanwhile a driver may leave
   * other partitions that are to be replayed waiting.
   * @default no
   */
  isRestoring?(partition: TopicPartition): boolean
  /** Called when partitions are lost: nothing of them may be committed from now on. */
  lost(partitions: readonly TopicPartition[], why: Loss): void
  chunk(chunk: Chunk): void
  /** Called when a partition was read to its end: there is nothing to fetch at `endOffset`. */
  caughtUp(partition: TopicPartition, endOffset: number): void
  /**
   * Called with the number of partitions of a topic: for every member before any is assigned to it,
   * and whenever the number changes.
   */
  partitions?(topic: string, count: number): void
  /**
   * Called with all partitions of this member that could not be read for some seconds, whenever
   * that changes. The end of such a partition is not known; once it can be read again, its end is
   * reported again.
   */
  unreadable(partitions: readonly Unreadable[]): void
  /**
   * Called when a broker has answered a fetch with records, before they come as chunks.
   * @param durationMs time from the request to the answer
   */
  fetched?(durationMs: number): void
  /**
   * Called when a broker throttles this member's fetches, or its writes, because of a quota.
   * @param durationMs how long the broker accepts no such request
   */
  throttled(durationMs: number, of: 'reading' | 'writing'): void
  /**
   * Called when the member has stopped for good. Joining again may help when the error's action is
   * `retry`.
   */
  failed(error: Error): void
}

/** A member of a consumer group. */
export interface Member extends Valve {
  /**
   * Makes a commit durable. One at a time. Under at-least-once its offsets may follow a moment
   * later, and do so before the member leaves or loses their partitions.
   *
   * A partition whose epoch has passed belongs to a new owner: under at-least-once its offsets are
   * left out; under exactly-once the whole commit is refused, since it contains outputs of that
   * partition.
   * @throws TidemarkError `REBALANCING` (the group is rebalancing or has rebalanced: build the
   * commit again from the partitions that are left; whether the commit of the lost ones went
   * through, their new owners see) · `COMMIT_FAILED` or `BROKER_UNAVAILABLE` (none of the offsets
   * was committed; under at-least-once outputs may be in the log: send everything again) ·
   * `COMMIT_TIMED_OUT` (its bytes could not be written in time: the same, and a smaller commit may
   * get through) · `FENCED` (the group continued without this member) · `TOPIC_MISSING`,
   * `TOPIC_LIMITS`, `AUTHORIZATION`, `CONFIG_INVALID` or `WORKER_NAME_TAKEN`: the same commit fails
   * again
   */
  commit(commit: Commit): Promise<void>
  /** Stops fetching all partitions; commits are still accepted. */
  stopFetching(): void
  /** Leaves the group immediately, so that others take over, and closes the connections. */
  leave(): Promise<void>
}

/** What a group has committed for a partition. */
export interface Committed {
  readonly nextOffset: number
  readonly metadata: string
}

/** The committed offset of a group in a partition, and the range of the partition's log. */
export interface PartitionOffsets extends TopicPartition {
  /** `null` when nothing was committed. */
  readonly committed: Committed | null
  readonly lowOffset: number
  /** End of the partition for a reader of committed records (last stable offset). */
  readonly endOffset: number
}

/** The end of the log at which a partition without a committed offset begins. */
export type From = 'earliest' | 'latest'

/**
 * The delivery guarantee of a commit. `exactly-once`: all of it or nothing; a reader of committed
 * records sees outputs, dead letters and offsets at once. `at-least-once`: outputs and dead letters
 * first, then offsets, so that outputs may be in the log twice.
 */
export type Guarantee = 'exactly-once' | 'at-least-once'

/** How what is written to a topic is compressed. */
export type CompressionOf = (topic: string) => Compression

/** How to join a group. */
export interface JoinOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly from: From
  /**
   * By topic, the number of partitions that it had when the group was created. Partitions from
   * there on were added later, and are read from their start.
   * @default all
   */
  readonly known?: ReadonlyMap<string, number>
  /**
   * Topics that commits will write to, so that the driver looks them up while it joins.
   * @default each is looked up when it is first written to
   */
  readonly writes?: readonly string[]
  /** Compresses what commits write, where the driver writes batches. @default none of it */
  readonly compressionOf?: CompressionOf
  /** @default 'exactly-once' */
  readonly guarantee?: Guarantee
  readonly handlers: MemberHandlers
}

/** What a worker does on a cluster, for which its user needs rights. */
export interface Needs {
  readonly group: string
  readonly guarantee: Guarantee
  /** Topics that are read. */
  readonly reads: readonly string[]
  /** Topics that are written. */
  readonly writes: readonly string[]
}

/** How to follow a topic. */
export interface FollowOptions {
  readonly topic: string
  /**
   * By partition, the offset to read next.
   * @default the first record that the log still has
   */
  readonly from: ReadonlyMap<number, number>
  /**
   * Called with all partitions that could not be read for some seconds, whenever that changes. They
   * are tried until they can be read.
   */
  readonly unreadable: (partitions: readonly Unreadable[]) => void
}

/** Where a partition is read from, and where it ended then. */
export interface FollowedRange {
  readonly nextOffset: number
  /** End of the partition for a reader of committed records (last stable offset). */
  readonly endOffset: number
}

/**
 * A topic that is read outside of any group, each partition in order. It can be iterated once; the
 * next chunk of a partition is fetched when the iteration goes on. A chunk without records moves
 * the position past what is no record.
 */
export interface Followed extends AsyncIterable<Chunk> {
  /**
   * By partition, as of the beginning. Partitions that are added later are read from their start.
   */
  readonly ranges: ReadonlyMap<number, FollowedRange>
  /** Stops reading, which also ends the iteration. */
  close(): Promise<void>
}

/** Writes records outside of any commit. */
export interface Writer {
  /**
   * Resolves when every record is acknowledged. One at a time.
   * @throws TidemarkError `COMMIT_FAILED`, `COMMIT_TIMED_OUT`, `BROKER_UNAVAILABLE` (some records
   * may be in the log) · `TOPIC_MISSING`, `TOPIC_LIMITS`, `AUTHENTICATION`, `AUTHORIZATION`
   */
  send(records: NewRecords): Promise<void>
  close(): Promise<void>
}

/** A driver: the connection to a place where records live. */
export interface Records {
  /**
   * Returns an `AUTHORIZATION` error for each missing right, as far as that can be told beforehand.
   * Joins nothing and changes nothing.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`
   */
  missingRights(needs: Needs): Promise<readonly TidemarkError[]>
  /** @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION` */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  /**
   * Creates topics; existing ones are left as they are.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`, `CONFIG_INVALID`
   */
  createTopics(topics: readonly NewTopic[]): Promise<void>
  /**
   * Returns all committed records of a partition, which has few, as a compacted one does: up to its
   * end at the time of the call. A transaction that is open before that end is waited for.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, also if such a transaction lasts ·
   * `AUTHENTICATION`, `AUTHORIZATION`, `TOPIC_MISSING`
   */
  readAll(partition: TopicPartition): Promise<readonly LogRecord[]>
  /**
   * Returns the group's offsets in the partitions of a topic, in their order; partitions without a
   * leader are left out. Joins nothing.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`, `TOPIC_MISSING`
   */
  partitionOffsets(group: string, topic: string): Promise<readonly PartitionOffsets[]>
  /**
   * Joins the group. Resolves once all assigned partitions have been handed over, except partitions
   * without a leader.
   */
  join(options: JoinOptions): Promise<Member>
  /**
   * Reads a topic outside of any group, committed records only. The iteration throws
   * `OFFSET_OUT_OF_RANGE` when records were deleted before they were read.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`, `TOPIC_MISSING`
   */
  follow(options: FollowOptions): Promise<Followed>
  /**
   * Returns a writer, to be closed by the caller. It connects when first used.
   * @param compressionOf @default nothing is compressed
   */
  writer(compressionOf?: CompressionOf): Writer
  close(): Promise<void>
}
