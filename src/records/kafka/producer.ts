import { setTimeout as sleep } from 'node:timers/promises'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../partition-name.ts'
import { partitionOf } from '../partitioner.ts'
import type { NewRecord, TopicInfo, TopicPartition } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { BatchEncoder, type EncodedBatch } from './codec/encode.ts'
import { ENDING, isRetriable, produceRefusal } from './produce-refusal.ts'
import { topicsOf } from './wire/by-topic.ts'
import { CODE } from './wire/codes.ts'
import { type ProducePartition, produce } from './wire/produce.ts'
import type { ProducerIdentity } from './wire/transactions.ts'

// Records to their leaders, in order within each partition, once: every batch carries the producer's identity and a sequence
// number, by which a leader knows one that it has already (KIP-98). A batch keeps its number however often and to whomever it is sent.

/** Looks topics up. */
export type DescribeTopics = (names: readonly string[]) => Promise<ReadonlyMap<string, TopicInfo>>

/** What brokers take unless told otherwise. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
/** Far below what a broker takes in one request (`socket.request.max.bytes`, 100 MB). */
const REQUEST_BYTES = 8_000_000
/** A leader remembers the last 5 batches of a producer, and knows a repetition only among them. */
const REQUESTS_IN_FLIGHT = 4
/** A leader election passes, and a cluster that is gone is told; below the time that a transaction may be open, ms. */
const DELIVERY_MS = 8_000
const FIRST_RETRY_MS = 20
const LAST_RETRY_MS = 1_000
const ENDING_MS = 5
const LAST_SEQUENCE = 0x7fffffff

/** How a partition's batches are to be taken. */
export interface Sending {
  /** `null`: in no transaction. */
  readonly transactionalId: string | null
  /** Does the broker add partitions to the transaction by itself (KIP-890)? */
  readonly joinsTransaction: boolean
}

/** A partition's batches that are not acknowledged yet, in order. */
export interface Outgoing extends TopicPartition {
  readonly batches: EncodedBatch[]
}

/** One batch in a request. */
interface Part {
  readonly to: Outgoing
  readonly batch: EncodedBatch
}

export class Producer {
  readonly #brokers: Brokers
  readonly #describe: DescribeTopics
  readonly #topics = new Map<string, TopicInfo>()
  #encoder = new BatchEncoder()
  /** By partition name: the number of the next record under this identity. */
  readonly #sequences = new Map<string, number>()
  #identity: ProducerIdentity | null = null

  constructor(brokers: Brokers, describe: DescribeTopics) {
    this.#brokers = brokers
    this.#describe = describe
  }

  /** `null`: none yet, or one under which nothing more may be sent. */
  get identity(): ProducerIdentity | null {
    return this.#identity
  }

  /** Sequence numbers begin anew with every identity. */
  be(identity: ProducerIdentity | null): void {
    this.#identity = identity
    this.#sequences.clear()
  }

  /**
   * Records as batches for their partitions, below the limits of their topics; valid until the next call.
   * @throws TidemarkError `TOPIC_MISSING` · `BROKER_UNAVAILABLE` · `AUTHENTICATION`
   */
  async encode(records: readonly NewRecord[], isTransactional: boolean): Promise<Outgoing[]> {
    await this.#learn(records)
    const identity = this.#identity
    if (identity === null) throw new TidemarkError('INVARIANT', 'a producer without an identity')
    this.#encoder.encode([], { maxBytes: 0, producer: null, compression: 'none' })
    const outgoing: Outgoing[] = []
    for (const [topic, partitions] of this.#byPartition(records)) {
      const maxBytes = this.#topics.get(topic)?.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES
      for (const [partition, list] of partitions.entries()) {
        // Not every partition gets something.
        if ((list as NewRecord[] | undefined) === undefined) continue
        const baseSequence = this.#sequences.get(partitionName({ topic, partition })) ?? 0
        const batches = this.#encoder.encodeMore(list, {
          maxBytes,
          producer: { ...identity, baseSequence, isTransactional },
          compression: 'none',
        })
        outgoing.push({ topic, partition, batches })
      }
    }
    return outgoing
  }

  /** Resolves when the leaders take records: none of them makes this client wait any more. */
  async ready(outgoing: readonly Outgoing[]): Promise<void> {
    for (const leader of this.#byLeader(outgoing).keys()) {
      for (let leftMs = 1; leftMs > 0; ) {
        leftMs = this.#brokers.throttleLeftMs(leader)
        if (leftMs > 0) await sleep(Math.ceil(leftMs))
      }
    }
  }

  /**
   * Resolves when every batch is acknowledged by all in-sync replicas. After a failure this identity must not be used again:
   * leaders may have batches that were not acknowledged.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `COMMIT_FAILED` · `FENCED`: of the identity · `TOPIC_LIMITS` · `AUTHENTICATION`
   */
  async send(outgoing: readonly Outgoing[], sending: Sending): Promise<void> {
    try {
      await this.#send(outgoing, sending)
    } catch (error) {
      // A socket may still hold what it was given, so that memory must not be written to again.
      this.#encoder = new BatchEncoder()
      throw error
    }
  }

  async #send(outgoing: readonly Outgoing[], sending: Sending): Promise<void> {
    const deadlineMs = performance.now() + DELIVERY_MS
    let left = outgoing
    for (let attempt = 0; ; ) {
      const problems = await Promise.all(
        [...this.#byLeader(left)].map(([leader, list]) => this.#sendTo(leader, list, sending)),
      )
      left = left.filter(({ batches }) => batches.length > 0)
      if (left.length === 0) return
      const problem = problems.find((p) => p !== null) ?? noLeader(left[0] as Outgoing)
      if (performance.now() > deadlineMs) throw problem
      if (problem === ENDING) {
        await sleep(ENDING_MS)
        continue
      }
      await sleep(Math.min(FIRST_RETRY_MS * 2 ** attempt++, LAST_RETRY_MS))
      // Without an answer the leaders stay as they were, and are asked once more.
      await this.#brokers.refresh().catch(() => {})
    }
  }

  async #learn(records: readonly NewRecord[]): Promise<void> {
    const unknown = new Set<string>()
    let last = ''
    for (const { topic } of records) {
      if (topic === last) continue
      last = topic
      if (!this.#topics.has(topic)) unknown.add(topic)
    }
    if (unknown.size === 0) return
    const described = await this.#describe([...unknown])
    await this.#brokers.learn([...unknown].filter((topic) => described.has(topic)))
    for (const topic of unknown) {
      const info = described.get(topic)
      if (info === undefined) {
        throw new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`)
      }
      this.#topics.set(topic, info)
    }
  }

  /** By topic, and by the partition's number; most records have the topic of the one before. */
  #byPartition(records: readonly NewRecord[]): Map<string, NewRecord[][]> {
    const topics = new Map<string, NewRecord[][]>()
    let last = ''
    let count = 1
    let partitions: NewRecord[][] = []
    for (const record of records) {
      const { topic } = record
      if (topic !== last) {
        last = topic
        count = this.#topics.get(topic)?.partitions ?? 1
        partitions = topics.get(topic) ?? []
        topics.set(topic, partitions)
      }
      const partition = partitionOf(record, count)
      const list = partitions[partition]
      if (list === undefined) partitions[partition] = [record]
      else list.push(record)
    }
    return topics
  }

  #byLeader(outgoing: readonly Outgoing[]): Map<string, Outgoing[]> {
    const leaders = new Map<string, Outgoing[]>()
    for (const to of outgoing) {
      const leader = this.#brokers.leaderOf(to)
      if (leader === undefined) continue
      const list = leaders.get(leader)
      if (list === undefined) leaders.set(leader, [to])
      else list.push(to)
    }
    return leaders
  }

  /** Sends all batches of some partitions once; takes out those that were acknowledged, and says what hinders the rest. */
  async #sendTo(
    leader: string,
    list: readonly Outgoing[],
    sending: Sending,
  ): Promise<TidemarkError | null> {
    const answers: Promise<readonly Result[]>[] = []
    const requests = requestsOf(list)
    try {
      // Else the first requests would overtake each other while they wait for the connection.
      if (!this.#brokers.hasMet(leader)) await this.#brokers.meet(leader)
    } catch (error) {
      return thrownOrProblem(error)
    }
    for (const [i, parts] of requests.entries()) {
      // On one connection: they arrive in the order in which they are sent.
      if (i >= REQUESTS_IN_FLIGHT) await answers[i - REQUESTS_IN_FLIGHT]
      answers.push(this.#request(leader, parts, sending))
    }
    let problem: TidemarkError | null = null
    const stuck = new Set<Outgoing>()
    const moved = new Set<Outgoing>()
    for (const { part, code, error } of (await Promise.all(answers)).flat()) {
      const { to, batch } = part
      // What came behind a batch that was not taken has a number that the leader cannot take either.
      if (stuck.has(to)) continue
      if (error === null && (code === CODE.NONE || code === CODE.DUPLICATE_SEQUENCE_NUMBER)) {
        this.#acknowledged(to, batch)
        moved.add(to)
        continue
      }
      // It came before the one that it follows, which is there by now.
      const hasOvertaken = code === CODE.OUT_OF_ORDER_SEQUENCE_NUMBER && moved.has(to)
      if (error === null && !hasOvertaken && !isRetriable(code)) throw produceRefusal(code, to)
      stuck.add(to)
      problem ??= error === null ? produceRefusal(code, to) : thrownOrProblem(error)
    }
    return problem
  }

  async #request(leader: string, parts: readonly Part[], sending: Sending): Promise<Result[]> {
    const topics = topicsOf(parts.map((part) => ({ topic: part.to.topic, part }))).map(
      ([topic, ofTopic]) =>
        [
          topic,
          ofTopic.map(
            ({ part }): ProducePartition => ({
              partition: part.to.partition,
              batch: part.batch.bytes,
            }),
          ),
        ] as const,
    )
    const request = produce(topics, { ...sending, timeoutMs: DELIVERY_MS })
    try {
      const answer = await this.#brokers.ask(leader, request)
      const codes = new Map(answer.map((of) => [partitionName(of), of.code]))
      return parts.map((part) => {
        const code = codes.get(partitionName(part.to)) ?? CODE.NETWORK_EXCEPTION
        return { part, code, error: null }
      })
    } catch (error) {
      return parts.map((part) => ({ part, code: CODE.NONE, error: error as TidemarkError }))
    }
  }

  #acknowledged(to: Outgoing, batch: EncodedBatch): void {
    to.batches.shift()
    const name = partitionName(to)
    const sequence = ((this.#sequences.get(name) ?? 0) + batch.count) & LAST_SEQUENCE
    this.#sequences.set(name, sequence)
  }
}

/** What may pass. @throws what will not */
function thrownOrProblem(error: unknown): TidemarkError {
  if (error instanceof TidemarkError && error.code === 'BROKER_UNAVAILABLE') return error
  throw error
}

interface Result {
  readonly part: Part
  readonly code: number
  readonly error: TidemarkError | null
}

/** One batch of a partition a request, as many partitions as it takes. */
function requestsOf(list: readonly Outgoing[]): Part[][] {
  const requests: Part[][] = []
  const rounds = Math.max(...list.map(({ batches }) => batches.length))
  for (let round = 0; round < rounds; round++) {
    let bytes = Number.POSITIVE_INFINITY
    for (const to of list) {
      const batch = to.batches[round]
      if (batch === undefined) continue
      if (bytes + batch.bytes.length > REQUEST_BYTES) {
        requests.push([])
        bytes = 0
      }
      requests.at(-1)?.push({ to, batch })
      bytes += batch.bytes.length
    }
  }
  return requests
}

function noLeader(to: TopicPartition): TidemarkError {
  return new TidemarkError('BROKER_UNAVAILABLE', 'the partition has no leader', {
    where: partitionName(to),
  })
}
