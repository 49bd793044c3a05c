import { type Code, TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { atOnce, inTurns } from '../../../kernel/slices.ts'
import type { CompressionOf, NewRecords, RecordSink, TopicInfo } from '../../port.ts'
import { WrittenRecords } from '../../written-records.ts'
import type { Brokers } from '../client/brokers.ts'
import { isUnavailable, unavailable } from '../client/errors.ts'
import type { ProducerState } from '../codec/batch-header.ts'
import { BatchEncoder, LAST_SEQUENCE } from '../codec/encode.ts'
import { initProducerId, type ProducerIdentity } from '../wire/produce.ts'
import { CODE, nameOfCode } from '../wire/protocol.ts'
import { Delivery, Outgoing, type Sending, whenUnthrottled } from './delivery.ts'
import { ThroughputEstimator } from './throughput-estimator.ts'

export type DescribeTopics = (names: readonly string[]) => Promise<ReadonlyMap<string, TopicInfo>>

const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
const MOST_PACKED_BYTES = 2 ** 20
const YIELD_EVERY = 1_024

/**
 * Writes records to their leaders, in order within each partition and without duplicates. Every
 * batch carries the producer's identity and a sequence number, by which a leader recognises a batch
 * that it has (KIP-98). A batch keeps its number, however often and to whatever leader it is sent.
 */
export class Producer {
  readonly brokers: Brokers
  readonly #describe: DescribeTopics
  readonly #compressionOf: CompressionOf
  readonly #topics = new Map<string, TopicInfo>()
  /** Topics that existed before: such a topic may come back after it was deleted. */
  readonly #existed = new Set<string>()
  /** By topic, half the size of a batch that was refused as too large, bytes. */
  readonly #refused = new Map<string, number>()
  readonly #throughput = new ThroughputEstimator()
  #encoder = new BatchEncoder()
  readonly #sequences = new Map<string, number>()
  readonly #knownPartitions = new Set<string>()
  #identity: ProducerIdentity | null = null
  #hasLost = false
  #ahead: Promise<void> = Promise.resolve()

  constructor(brokers: Brokers, describe: DescribeTopics, compressionOf?: CompressionOf) {
    this.brokers = brokers
    this.#describe = describe
    this.#compressionOf = compressionOf ?? (() => 'none')
  }

  /** `null`: none yet, or it must not be used any more. */
  get identity(): ProducerIdentity | null {
    return this.#identity
  }

  /** Whether a request under this identity was not answered: its records may still arrive. */
  get hasLost(): boolean {
    return this.#hasLost
  }

  /** Takes another identity, under which sequence numbers start at 0 again. */
  useIdentity(identity: ProducerIdentity | null): void {
    // The end of a transaction changes only the epoch; to a leader it is the same producer.
    if (identity?.id !== this.#identity?.id) this.#knownPartitions.clear()
    this.#identity = identity
    this.#hasLost = false
    this.#sequences.clear()
  }

  /** Looks up topics now, so that the first records written to them need not wait for it. */
  lookAhead(topics: readonly string[]): void {
    // A write to the topic looks it up again.
    this.#ahead = this.#learn(new Set(topics)).catch(() => {})
  }

  /**
   * Encodes records within the limits of their topics. The batches are valid until the next call.
   * Yields to the event loop, because one input record may close a million windows.
   * @throws TidemarkError `TOPIC_MISSING` · `BROKER_UNAVAILABLE` · `AUTHENTICATION`
   */
  async encode(records: WrittenRecords, isTransactional: boolean): Promise<Outgoing[]> {
    await this.#ahead
    await this.#learn(await inTurns(this.#unknownIn(records)))
    const identity = this.#identity
    if (identity === null) throw new TidemarkError('INVARIANT', 'a producer without an identity')
    return inTurns(this.#packAll(records, { ...identity, isTransactional }))
  }

  *#packAll(records: WrittenRecords, by: EncodingProducer): Generator<void, Outgoing[]> {
    this.#encoder.begin()
    const outgoing: Outgoing[] = []
    for (const [topic, partitions] of yield* this.#byPartition(records)) {
      for (const [partition, indices] of partitions.entries()) {
        if ((indices as number[] | undefined) === undefined) continue
        const to = new Outgoing({ topic, partition }, { records, indices })
        yield* this.#pack(to, by)
        outgoing.push(to)
      }
    }
    return outgoing
  }

  async ready(outgoing: readonly Outgoing[]): Promise<void> {
    for (const leader of this.brokers.map.byLeader(outgoing).keys()) {
      await whenUnthrottled(this.brokers, leader)
    }
  }

  needsMs(outgoing: readonly Outgoing[]): number {
    return this.#throughput.needsMs(outgoing.reduce((sum, { bytes }) => sum + bytes, 0))
  }

  /**
   * After a failure nothing is in flight, and this identity must not be used again, because leaders
   * may have batches that were not acknowledged.
   * @throws TidemarkError as {@link KafkaWriter.write} · `FENCED`: the identity is fenced
   */
  async send(outgoing: readonly Outgoing[], sending: Sending): Promise<void> {
    const delivery = new Delivery(sending, {
      brokers: this.brokers,
      throughput: this.#throughput,
      isKnown: (to) => this.#knownPartitions.has(partitionName(to)),
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
      if (isUnavailable(error)) this.forgetTopics(outgoing)
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
    await this.brokers.learn([...unknown].filter((topic) => described.has(topic)))
    for (const topic of unknown) {
      const info = described.get(topic)
      if (info === undefined) throw this.#missing(topic)
      this.#topics.set(topic, info)
      this.#existed.add(topic)
    }
  }

  /** Forgets the topics of unacknowledged batches, which may have other partitions and limits. */
  forgetTopics(outgoing: readonly Outgoing[]): void {
    for (const { topic, batches } of outgoing) if (batches.length > 0) this.#topics.delete(topic)
  }

  #missing(topic: string): TidemarkError {
    if (!this.#existed.has(topic)) {
      return new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`)
    }
    return unavailable(`topic "${topic}" is not there any more`, {
      hint: 'was it deleted? Outputs wait until it is created again',
    })
  }

  /** Record indices by topic and partition number. Most have the topic of the one before. */
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

  *#pack(to: Outgoing, by: EncodingProducer): Generator<void, void> {
    const { topic } = to
    const { maxMessageBytes, segmentBytes } = this.#topics.get(topic) ?? {}
    const compression = this.#compressionOf(topic)
    yield* to.pack(this.#encoder, {
      maxBytes: Math.min(
        maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
        segmentBytes ?? Number.POSITIVE_INFINITY,
        this.#refused.get(topic) ?? Number.POSITIVE_INFINITY,
        this.#throughput.requestBytes,
        compression === 'none' ? Number.POSITIVE_INFINITY : MOST_PACKED_BYTES,
      ),
      producer: { ...by, baseSequence: this.#sequenceOf(to) },
      compression,
    })
  }

  /** Packs refused records into smaller batches with the same sequence numbers. */
  #split(to: Outgoing, isTransactional: boolean): void {
    const identity = this.#identity
    const [refused] = to.batches
    if (identity === null || refused === undefined) return
    this.#refused.set(to.topic, Math.ceil(refused.bytes.length / 2))
    atOnce(this.#pack(to, { ...identity, isTransactional }))
  }

  #acknowledged(to: Outgoing): void {
    const name = partitionName(to)
    const sequence = this.#sequenceOf(to)
    this.#knownPartitions.add(name)
    this.#sequences.set(name, (sequence + to.acknowledged()) & LAST_SEQUENCE)
  }

  #sequenceOf(to: Outgoing): number {
    return this.#sequences.get(partitionName(to)) ?? 0
  }
}

type EncodingProducer = Omit<ProducerState, 'baseSequence'>

const SENDING = { transactionalId: null, joinsTransaction: false, withinMs: null }

const TEMPORARY: ReadonlySet<Code> = new Set<Code>(['COMMIT_TIMED_OUT', 'BROKER_UNAVAILABLE'])

/**
 * Writes records under at-least-once: records without an acknowledgement are sent again under a new
 * identity. Caches topics: partitions that are added later get no records by key until there is a
 * new writer.
 */
export class KafkaWriter implements RecordSink {
  readonly #producer: Producer
  #isSending = false

  constructor(producer: Producer) {
    this.#producer = producer
  }

  /**
   * @param check called before each request: rejects with the reason why it may not be sent
   * @throws TidemarkError as the port says · `INVARIANT`: another write is in flight
   */
  async write(records: NewRecords, check: () => Promise<void> | void = () => {}): Promise<void> {
    if (records.length === 0) return
    // Two concurrent sends would use the same sequence numbers, and the broker would drop one of
    // them as a duplicate.
    if (this.#isSending)
      throw new TidemarkError('INVARIANT', 'write was called while another write is in flight')
    this.#isSending = true
    try {
      await this.#producer.brokers.connect()
      let left = WrittenRecords.of(records)
      while (left.length > 0) left = await this.#send(left, { ...SENDING, check })
    } finally {
      this.#isSending = false
    }
  }

  /** @returns the records still to be sent, fewer than before */
  async #send(records: WrittenRecords, sending: Sending): Promise<WrittenRecords> {
    let outgoing: readonly Outgoing[] = []
    try {
      if (this.#producer.identity === null) await this.#initialise()
      outgoing = await this.#producer.encode(records, false)
      await this.#producer.send(outgoing, sending)
      return new WrittenRecords()
    } catch (error) {
      // Leaders may have batches under sequence numbers that other records would get next, and
      // would drop those records as duplicates.
      this.#producer.useIdentity(null)
      const left = new WrittenRecords()
      for (const to of outgoing) to.addTo(left)
      const isTemporary = error instanceof TidemarkError && TEMPORARY.has(error.code)
      if (!isTemporary || left.length === 0 || left.length === records.length) throw error
      return left
    }
  }

  async close(): Promise<void> {
    this.#producer.brokers.close()
  }

  async #initialise(): Promise<void> {
    const { code, producer } = await this.#producer.brokers.askAny(initProducerId(null, 0))
    if (code === CODE.NONE) return this.#producer.useIdentity(producer)
    const message = `the broker answered InitProducerId without a transactional id with ${nameOfCode(code)}`
    const lacksRight = code === CODE.CLUSTER_AUTHORIZATION_FAILED
    throw new TidemarkError(lacksRight ? 'AUTHORIZATION' : 'BROKER_UNAVAILABLE', message)
  }
}
