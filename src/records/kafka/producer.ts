import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { atOnce, inTurns } from '../../kernel/slices.ts'
import type { CompressionOf, TopicInfo } from '../port.ts'
import type { WrittenRecords } from '../written-records.ts'
import type { Brokers } from './brokers.ts'
import { byLeader } from './by-leader.ts'
import { BatchEncoder } from './codec/encode.ts'
import { Delivery, notThrottled, type Sending } from './delivery.ts'
import { Outgoing } from './outgoing.ts'
import { Pace } from './pace.ts'
import type { ProducerIdentity } from './wire/transactions.ts'

// Writes records to their leaders, in order within each partition and without duplicates: every
// batch carries the producer's identity and a sequence number, by which a leader recognises a batch
// that it already has (KIP-98). A batch keeps its number, however often and to whatever leader it
// is sent.

/** Looks up topics. */
export type DescribeTopics = (names: readonly string[]) => Promise<ReadonlyMap<string, TopicInfo>>

/** The brokers' default batch limit, bytes. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
/**
 * The most bytes that are compressed in one go, about 20 ms of work by gzip: the event loop waits
 * for it.
 */
const MOST_PACKED_BYTES = 2 ** 20
const LAST_SEQUENCE = 0x7fffffff
/** Number of records between two opportunities to yield to the event loop. */
const YIELD_EVERY = 1_024

/** An idempotent or transactional producer. */
export class Producer {
  readonly #brokers: Brokers
  readonly #describe: DescribeTopics
  readonly #compressionOf: CompressionOf
  /** Known topics, without those in doubt. */
  readonly #topics = new Map<string, TopicInfo>()
  /** Topics that existed before: such a topic may come back after it was deleted. */
  readonly #met = new Set<string>()
  /** By topic, a batch size below one that was refused as too large, bytes. */
  readonly #refused = new Map<string, number>()
  readonly #pace = new Pace()
  #encoder = new BatchEncoder()
  /** By partition name: the sequence number of the next record under this identity. */
  readonly #sequences = new Map<string, number>()
  /** Names of the partitions whose leaders have batches of this producer. */
  readonly #known = new Set<string>()
  #identity: ProducerIdentity | null = null
  #hasLost = false
  /** Resolves when the topics of {@link lookAhead} are known, or cannot be looked up. */
  #ahead: Promise<void> = Promise.resolve()

  /** @param compressionOf @default none */
  constructor(
    brokers: Brokers,
    describe: DescribeTopics,
    compressionOf: CompressionOf = () => 'none',
  ) {
    this.#brokers = brokers
    this.#describe = describe
    this.#compressionOf = compressionOf
  }

  /** `null`: none yet, or it must not be used any more. */
  get identity(): ProducerIdentity | null {
    return this.#identity
  }

  /** Was a request under this identity not answered? Its records may still arrive. */
  get hasLost(): boolean {
    return this.#hasLost
  }

  /** Switches to another identity, under which sequence numbers start at 0 again. */
  useIdentity(identity: ProducerIdentity | null): void {
    // After the end of a transaction only the epoch changes; to a leader it is the same producer.
    if (identity?.id !== this.#identity?.id) this.#known.clear()
    this.#identity = identity
    this.#hasLost = false
    this.#sequences.clear()
  }

  /** Looks up topics now, so that the first records written to them need not wait for it. */
  lookAhead(topics: readonly string[]): void {
    // One that cannot be looked up is looked up again when it is written to.
    this.#ahead = this.#learn(new Set(topics)).catch(() => {})
  }

  /**
   * Encodes records into batches for their partitions, within the limits of their topics. The
   * batches are valid until the next call. Yields to the event loop however many records there are:
   * one input record may close a million windows.
   * @throws TidemarkError `TOPIC_MISSING` · `BROKER_UNAVAILABLE` · `AUTHENTICATION`
   */
  async encode(records: WrittenRecords, isTransactional: boolean): Promise<Outgoing[]> {
    await this.#ahead
    await this.#learn(await inTurns(this.#unknownIn(records)))
    const identity = this.#identity
    if (identity === null) throw new TidemarkError('INVARIANT', 'a producer without an identity')
    return inTurns(this.#packAll(records, { identity, isTransactional }))
  }

  *#packAll(records: WrittenRecords, by: EncodeIdentity): Generator<void, Outgoing[]> {
    this.#encoder.begin()
    const outgoing: Outgoing[] = []
    for (const [topic, partitions] of yield* this.#byPartition(records)) {
      for (const [partition, indices] of partitions.entries()) {
        // Not every partition has records.
        if ((indices as number[] | undefined) === undefined) continue
        const to = new Outgoing({ topic, partition }, { records, indices })
        yield* this.#pack(to, by)
        outgoing.push(to)
      }
    }
    return outgoing
  }

  /** Resolves when none of the leaders throttles this client any more. */
  async ready(outgoing: readonly Outgoing[]): Promise<void> {
    for (const leader of byLeader(this.#brokers, outgoing).keys()) {
      await notThrottled(this.#brokers, leader)
    }
  }

  /** How long writing the batches takes at the recent pace, ms; 0 while that is not known. */
  needsMs(outgoing: readonly Outgoing[]): number {
    return this.#pace.needsMs(outgoing.reduce((sum, { bytes }) => sum + bytes, 0))
  }

  /**
   * Resolves when every batch is acknowledged by all in-sync replicas. After a failure this
   * identity must not be used again: leaders may have batches that were not acknowledged. Nothing
   * is in flight by then.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `COMMIT_TIMED_OUT` · `COMMIT_FAILED` · `FENCED`:
   * the identity is fenced · `TOPIC_LIMITS` · `AUTHENTICATION` · what `sending.check` throws
   */
  async send(outgoing: readonly Outgoing[], sending: Sending): Promise<void> {
    const delivery = new Delivery(sending, {
      brokers: this.#brokers,
      pace: this.#pace,
      isKnown: (to) => this.#known.has(partitionName(to)),
      acknowledged: (to) => this.#acknowledged(to),
      split: (to) => this.#split(to, sending.transactionalId !== null),
      lost: () => {
        this.#hasLost = true
      },
    })
    try {
      await delivery.send(outgoing)
    } catch (error) {
      // A socket may still reference the batches, so their memory must not be reused.
      this.#encoder = new BatchEncoder()
      if (error instanceof TidemarkError && error.code === 'BROKER_UNAVAILABLE') {
        this.doubt(outgoing)
      }
      throw error
    }
  }

  *#unknownIn(records: WrittenRecords): Generator<void, ReadonlySet<string>> {
    const unknown = new Set<string>()
    let last = ''
    for (let i = 0; i < records.length; i++) {
      if (i % YIELD_EVERY === YIELD_EVERY - 1) yield
      const topic = records.topic(i)
      if (topic === last) continue
      last = topic
      if (!this.#topics.has(topic)) unknown.add(topic)
    }
    return unknown
  }

  async #learn(unknown: ReadonlySet<string>): Promise<void> {
    if (unknown.size === 0) return
    const described = await this.#describe([...unknown])
    await this.#brokers.learn([...unknown].filter((topic) => described.has(topic)))
    for (const topic of unknown) {
      const info = described.get(topic)
      if (info === undefined) throw this.#missing(topic)
      this.#topics.set(topic, info)
      this.#met.add(topic)
    }
  }

  /**
   * Forgets the topics of unacknowledged batches: one that was deleted, or created again, may have
   * other partitions and limits.
   */
  doubt(outgoing: readonly Outgoing[]): void {
    for (const { topic, batches } of outgoing) if (batches.length > 0) this.#topics.delete(topic)
  }

  #missing(topic: string): TidemarkError {
    if (!this.#met.has(topic)) {
      return new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`)
    }
    return new TidemarkError('BROKER_UNAVAILABLE', `topic "${topic}" is not there any more`, {
      hint: 'was it deleted? Outputs wait until it is created again',
    })
  }

  /**
   * Record indices by topic and partition number. Most records have the topic of the one before.
   */
  *#byPartition(records: WrittenRecords): Generator<void, Map<string, number[][]>> {
    const topics = new Map<string, number[][]>()
    let last = ''
    let count = 1
    let partitions: number[][] = []
    for (let i = 0; i < records.length; i++) {
      if (i % YIELD_EVERY === YIELD_EVERY - 1) yield
      const topic = records.topic(i)
      if (topic !== last) {
        last = topic
        count = this.#topics.get(topic)?.partitions ?? 1
        partitions = topics.get(topic) ?? []
        topics.set(topic, partitions)
      }
      const partition = records.partitionOf(i, count)
      const indices = partitions[partition]
      if (indices === undefined) partitions[partition] = [i]
      else indices.push(i)
    }
    return topics
  }

  *#pack(to: Outgoing, { identity, isTransactional }: EncodeIdentity): Generator<void, void> {
    const { topic } = to
    const { maxMessageBytes, segmentBytes } = this.#topics.get(topic) ?? {}
    const compression = this.#compressionOf(topic)
    yield* to.pack(this.#encoder, {
      maxBytes: Math.min(
        maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
        segmentBytes ?? Number.POSITIVE_INFINITY,
        this.#refused.get(topic) ?? Number.POSITIVE_INFINITY,
        this.#pace.requestBytes,
        compression === 'none' ? Number.POSITIVE_INFINITY : MOST_PACKED_BYTES,
      ),
      producer: { ...identity, baseSequence: this.#sequenceOf(to), isTransactional },
      compression,
    })
  }

  /**
   * Packs records that were refused as too large into smaller batches, with the same sequence
   * numbers.
   */
  #split(to: Outgoing, isTransactional: boolean): void {
    const identity = this.#identity
    const [refused] = to.batches
    if (identity === null || refused === undefined) return
    this.#refused.set(to.topic, Math.ceil(refused.bytes.length / 2))
    atOnce(this.#pack(to, { identity, isTransactional }))
  }

  #acknowledged(to: Outgoing): void {
    const name = partitionName(to)
    const sequence = this.#sequenceOf(to)
    this.#known.add(name)
    this.#sequences.set(name, (sequence + to.acknowledged()) & LAST_SEQUENCE)
  }

  #sequenceOf(to: Outgoing): number {
    return this.#sequences.get(partitionName(to)) ?? 0
  }
}

interface EncodeIdentity {
  readonly identity: ProducerIdentity
  readonly isTransactional: boolean
}
