import type { ByteRoom, Place } from '../kernel/bytes.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { Compression } from '../kernel/kafka.ts'

// Ports, which systems outside offer, each with a contract suite that runs on every system that has
// it. Offsets are numbers, exact up to 2^53.

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Header {
  readonly name: string
  readonly value: Buffer
}

export interface RecordParts {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** The record's own Kafka timestamp, ms since the epoch, rounded beyond 2^53; −1: none. */
  readonly timestampMs: number
  readonly headers: readonly Header[]
}

/**
 * A record of the log. Its buffers belong to the chunk: copy what must outlive it. Properties may
 * be getters that create an object each, so a record must not be spread.
 */
export interface LogRecord extends RecordParts {
  readonly offset: number
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
  /** Reports where its value lies, so that no buffer is created. @returns whether it has a key */
  locate(index: number, into: Place): boolean
  /** Appends the length of its key and its key, as in a batch. */
  appendKey(index: number, into: ByteRoom): void
  /** `false`: none of them has headers. */
  readonly hasHeaders: boolean
  /** Reports where its headers lie as in a batch: their number, then the headers. */
  locateHeaders(index: number, into: Place): void
  /** @param to @default their length */
  slice(from: number, to?: number): LogRecords
  pick(indices: readonly number[]): LogRecords
}

/** A batch of the log that unpacks to more than is allowed, and was not decoded. */
export interface PackedBatch {
  readonly offset: number
  readonly lastOffset: number
  readonly count: number
  readonly timestampMs: number
  readonly bytes: Buffer
  readonly error: TidemarkError
}

export const MOST_UNPACKED_BYTES = 64 * 2 ** 20

/** The most records of a chunk; a driver yields to the event loop between chunks. */
export const MOST_CHUNK_RECORDS = 2_048

/** Records of one partition in log order, read under one assignment. */
export interface Chunk extends TopicPartition {
  /** A chunk of an older epoch must be dropped. */
  readonly epoch: number
  readonly records: LogRecords
  readonly packed?: PackedBatch
  readonly nextOffset: number
  /** End of the partition (high watermark) when this was read: lag = endOffset − nextOffset. */
  readonly endOffset: number
}

export interface Start extends TopicPartition {
  /** The committed offset, or without one the requested end of the log. */
  readonly nextOffset: number
  /**
   * Metadata of the committed offset, whoever wrote it; empty also when a member has only claimed
   * the partition. `null`: nothing is committed.
   */
  readonly metadata: string | null
  readonly lowOffset: number
}

export interface Assignment extends Start {
  /** Grows with every assignment of the partition to this process. */
  readonly epoch: number
  readonly lookBackOffset: number
}

export interface NewRecord extends RecordParts {
  readonly topic: string
  /** Taken modulo the topic's partitions; `null`: by the key's murmur2, or 0 without a key. */
  readonly partition: number | null
}

export interface NewRecords extends Iterable<NewRecord> {
  readonly length: number
}

/** Its metadata has at most {@link MOST_METADATA_BYTES} bytes. */
export interface NextOffset extends TopicPartition, Committed {
  readonly epoch: number
}

/**
 * The most bytes of metadata with an offset. Brokers accept 4,096 by default
 * (`offset.metadata.max.bytes`), and a driver puts up to 296 bytes before it.
 */
export const MOST_METADATA_BYTES = 3_800

/**
 * Outputs and offsets that become durable together. The records belong to the driver until the
 * commit resolves; then their memory is reused.
 */
export interface Commit {
  readonly outputs: NewRecords
  readonly deadLetters: NewRecords
  readonly nextOffsets: readonly NextOffset[]
  /**
   * Whether it cannot be made smaller. Then it may take as long as its bytes need, up to the broker's
   * limit.
   * @default false
   */
  readonly isSmallest?: boolean
}

export interface Unreadable extends TopicPartition {
  readonly reason: string
}

/**
 * Why partitions are lost. `revoked`: the group assigned them to others, in a rebalance that this
 * member took part in · `expelled`: the group continued without this member, and others may have
 * had them meanwhile · `cut`: records that were to be replayed are no longer in the log, and the
 * partition is assigned once more.
 */
export type Loss = 'revoked' | 'expelled' | 'cut'

/**
 * Why a group divides its partitions anew. `joining`: this member is new · `members`: others have
 * come, gone, or joined again · `partitions`: topics have got more · `again`: this member asks for
 * it, because its own partitions are in doubt · `expelled`: the group continued without it.
 */
export const REBALANCE_CAUSES = [
  ...(['joining', 'members', 'partitions', 'again', 'expelled'] as const),
] as const
export type RebalanceCause = (typeof REBALANCE_CAUSES)[number]

export interface Pausable {
  /** Pauses a partition: at most one more chunk of it may follow. */
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
}

/**
 * Who owns the partitions of a group, by partition name: the address that the owner advertises;
 * `null`: it advertises none. Nothing is known of a partition that is missing.
 */
export type Owners = ReadonlyMap<string, string | null>

/** Handlers that a driver calls in the worker. They must not throw. */
export interface MemberHandlers {
  /**
   * Called before a partition is assigned: how far before `nextOffset` the worker may want to read,
   * ms by the records' timestamps, counted back from the record at `nextOffset` (or the last one
   * before it).
   * @default +Infinity, all of it
   */
  lookBackMs?(start: Start): number
  /**
   * Called when a partition is assigned, and again when records were deleted during its replay. Its
   * first chunk comes after this returns.
   * @param pausable stops the flow of this partition
   * @returns where reading begins: from `lowOffset` to `nextOffset`. Records before the committed
   * offset are replayed
   */
  assigned(assignment: Assignment, pausable: Pausable): number
  /**
   * Whether chunks before the committed offset are still being processed. Other partitions to be replayed
   * may wait meanwhile.
   * @default no
   */
  isRestoring?(partition: TopicPartition): boolean
  /** Called when partitions are lost: nothing of them may be committed from now on. */
  lost(partitions: readonly TopicPartition[], why: Loss): void
  /**
   * Called with the owners in the newest generation that this member has joined, before partitions
   * are assigned; and with an empty map as soon as the member learns that this generation is over,
   * and when it leaves. The map is empty too if no member advertises an address, if the leader of
   * the group is of a version that sends none, or if the group is too large.
   *
   * An owner may not have its partition yet, or may have lost it meanwhile: it knows best.
   */
  owners?(owners: Owners): void
  /** Called when the member learns of a rebalance, and with `null` when it has its partitions. */
  rebalancing?(cause: RebalanceCause | null): void
  chunk(chunk: Chunk): void
  /** Called when a partition was read to its end, `endOffset`. */
  caughtUp(partition: TopicPartition, endOffset: number): void
  /** Called with a topic's number of partitions before any is assigned, and when it changes. */
  partitions?(topic: string, count: number): void
  /**
   * Called when the set of partitions that could not be read for some seconds changes. The end of
   * one that can be read again is reported again.
   */
  unreadable(partitions: readonly Unreadable[]): void
  /** Called when a broker has answered a fetch with records, before they come as chunks. */
  fetched?(durationMs: number): void
  /** Called with how long a broker accepts no such request of this member, for a quota, ms. */
  throttled(durationMs: number, work: 'reading' | 'writing'): void
  /**
   * Called when the member has stopped for good; joining again may help if the action is `retry`.
   */
  failed(error: Error): void
}

export interface Member extends Pausable {
  /**
   * Makes a commit durable. One at a time. Under at-least-once its offsets may follow a moment
   * later, and do so before the member leaves or loses their partitions.
   *
   * A partition whose epoch has passed belongs to a new owner: under at-least-once its offsets are
   * left out; under exactly-once the whole commit is refused, because it contains outputs of that
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
  /** Whether the group has answered within the session timeout; others may have its partitions if not. */
  isCountedOn(): boolean
  /** Stops fetching all partitions; commits are still accepted. */
  stopFetching(): void
  /** Leaves the group, so that others take over, and closes the connections. */
  leave(): Promise<void>
}

/** A topic as its brokers describe it; `null`: not reported. */
export interface TopicInfo {
  readonly name: string
  /** The topic's id, which differs from that of a deleted topic of the same name. */
  readonly id: string | null
  readonly partitions: number
  /** The largest record batch (`max.message.bytes`), bytes. */
  readonly maxMessageBytes: number | null
  /** Size of its segments (`segment.bytes`), bytes; a larger batch is refused. */
  readonly segmentBytes: number | null
  /** Who sets the timestamps: the producer or the broker. */
  readonly timestampType: 'CreateTime' | 'LogAppendTime' | null
  /** How far a timestamp may be ahead of the broker (`message.timestamp.after.max.ms`), ms. */
  readonly timestampAfterMaxMs: number | null
  /** How far it may be behind (`message.timestamp.before.max.ms`), ms. */
  readonly timestampBeforeMaxMs: number | null
  /** Whether records are removed that a later one of their key replaces (`cleanup.policy`). */
  readonly isCompacted: boolean | null
  /** Whether records are removed for their age, or for the size of the log (`cleanup.policy`). */
  readonly isTrimmed: boolean | null
  /**
   * The age from which on records are removed (`retention.ms`), ms; `null`: not reported, or it is
   * not their age alone that removes them.
   */
  readonly retentionMs: number | null
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /**
   * Replicas of each partition; −1: as many as the broker sets by default.
   * @default 1
   */
  readonly replicas?: number
  /** Topic settings by Kafka's names, such as `max.message.bytes`. */
  readonly config?: Readonly<Record<string, string>>
}

export interface Committed {
  readonly nextOffset: number
  readonly metadata: string
}

export interface PartitionOffsets extends TopicPartition {
  readonly committed: Committed | null
  readonly lowOffset: number
  /** Last stable offset: the end for a reader of committed records. */
  readonly endOffset: number
}

/** Where a partition without a committed offset begins. */
export type From = 'earliest' | 'latest'

/** An end of the log, an offset, or a time by the records' own timestamps, ms since the epoch. */
export type LogPoint = From | { readonly offset: number } | { readonly timeMs: number }

/**
 * The delivery guarantee of a commit. `exactly-once`: all of it or nothing; a reader of committed
 * records sees outputs, dead letters and offsets at once. `at-least-once`: outputs and dead letters
 * first, then offsets, so that outputs may be in the log twice.
 */
export type Guarantee = 'exactly-once' | 'at-least-once'

export type CompressionOf = (topic: string) => Compression

export interface JoinOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly from: From
  /**
   * By partition name, where partitions without a committed offset begin.
   * @default as `from` says
   */
  readonly starts?: ReadonlyMap<string, number>
  /**
   * By topic, the number of partitions that it had when the group was created. Partitions from
   * there on were added later, and are read from their start.
   * @default all
   */
  readonly known?: ReadonlyMap<string, number>
  /** Topics to look up while joining. @default each is looked up when it is first written to */
  readonly writes?: readonly string[]
  /** @default nothing is compressed */
  readonly compressionOf?: CompressionOf
  /** @default 'exactly-once' */
  readonly guarantee?: Guarantee
  /**
   * Where other members reach this one, such as `host:port`, 1 to 255 bytes; see
   * {@link MemberHandlers.owners}.
   * @default nowhere
   */
  readonly advertise?: string
  readonly handlers: MemberHandlers
}

export interface Needs extends Required<Pick<JoinOptions, 'group' | 'guarantee' | 'writes'>> {
  readonly reads: readonly string[]
}

export interface FollowOptions {
  readonly topic: string
  /**
   * By partition, the offset to read next.
   * @default the first record that the log still has
   */
  readonly from: ReadonlyMap<number, number>
  /** Called when the set of partitions that could not be read for some seconds changes. */
  readonly unreadable: (partitions: readonly Unreadable[]) => void
}

export type FollowedRange = Pick<Chunk, 'nextOffset'> & Pick<PartitionOffsets, 'endOffset'>

/**
 * A topic that is read outside of any group, each partition in order. It can be iterated once; the
 * next chunk of a partition is fetched when the iteration goes on. A chunk without records moves
 * the position past markers and gaps.
 */
export interface Followed extends AsyncIterable<Chunk> {
  /** By partition, at the beginning; partitions that are added later are read from their start. */
  readonly ranges: ReadonlyMap<number, FollowedRange>
  close(): Promise<void>
}

/** Takes records of one system. */
export interface RecordSink {
  /** Why an output cannot have this key; `null`: it can. @default any key is taken */
  keyFault?(key: Buffer | null): string | null
  /**
   * Resolves when every record is durable. One call at a time. After a failure, or a restart, the
   * same records may come again.
   * @throws TidemarkError `COMMIT_FAILED`, `COMMIT_TIMED_OUT`, `BROKER_UNAVAILABLE` (some records
   * may be durable) · `TOPIC_MISSING`, `TOPIC_LIMITS`, `AUTHENTICATION`, `AUTHORIZATION`
   */
  write(records: NewRecords): Promise<void>
  close(): Promise<void>
}

/** Gives records to the members of a group, and keeps the offsets that they commit. */
export interface Source {
  /** Resolves once all assigned partitions that have a leader have been handed over. */
  join(options: JoinOptions): Promise<Member>
  /**
   * Returns a group's offsets in the partitions of a topic, in their order; partitions without a
   * leader are left out. A commit that is not finished may not show yet; a join waits for it.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`, `TOPIC_MISSING`
   */
  offsets(group: string, topic: string): Promise<readonly PartitionOffsets[]>
}

/** The topics of a log, and their records outside of any group. */
export interface Topics {
  /**
   * Returns an `AUTHORIZATION` error for each missing right that can be told in advance. Changes
   * nothing.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`
   */
  missingRights(needs: Needs): Promise<readonly TidemarkError[]>
  /** @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION` */
  describe(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  /**
   * Creates topics; existing ones are left as they are.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`, `CONFIG_INVALID`
   */
  create(topics: readonly NewTopic[]): Promise<void>
  /**
   * Returns all committed records of a partition that has few, up to its end at the time of the
   * call. An open transaction before that end is waited for.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, also if such a transaction lasts ·
   * `AUTHENTICATION`, `AUTHORIZATION`, `TOPIC_MISSING`
   */
  readAll(partition: TopicPartition): Promise<readonly LogRecord[]>
  /**
   * Returns by partition name the offset of the first committed record whose timestamp is not
   * before a time, ms since the epoch; −1: there is none. Partitions without a leader are left out.
   * @throws TidemarkError as {@link Source.offsets}
   */
  offsetsSince(topic: string, timeMs: number): Promise<ReadonlyMap<string, number>>
  /**
   * Reads a topic outside of any group, committed records only. The iteration throws
   * `OFFSET_OUT_OF_RANGE` when records were deleted before they were read.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`, `TOPIC_MISSING`
   */
  follow(options: FollowOptions): Promise<Followed>
}

/** The ports that a worker works with. */
export interface Records {
  readonly source: Source
  readonly topics: Topics
  /** Opens a sink beside the commits, which the caller closes. It connects when first used. */
  writer(compressionOf?: CompressionOf): RecordSink
  close(): Promise<void>
}
