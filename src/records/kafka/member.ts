import type {
  Batch,
  Cluster,
  Consumer,
  ConsumerCrashEvent,
  ConsumerEndBatchProcessEvent,
  ConsumerGroupJoinEvent,
  EachBatchPayload,
  Kafka,
} from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../partition-name.ts'
import type {
  Assignment,
  Commit,
  From,
  JoinOptions,
  Member,
  MemberHandlers,
  Standing,
  TopicPartition,
} from '../port.ts'
import { chosenStart, startOf } from '../standing.ts'
import type { KafkaAdmin } from './admin.ts'
import { chunkOf } from './chunk.ts'
import { consumerOf } from './consumer.ts'
import { Coordination } from './coordination.ts'
import { fromKafka } from './errors.ts'
import type { FormerMembers } from './former-members.ts'
import { type Owned, Positions } from './positions.ts'
import { within } from './waiting.ts'
import type { KafkaWriter } from './writer.ts'

/** What a member works with; the writer becomes its own. */
export interface Connections {
  readonly kafka: Kafka
  readonly admin: KafkaAdmin
  readonly writer: KafkaWriter
  readonly formerMembers: FormerMembers
  readonly sessionTimeoutMs: number
  readonly nextEpoch: () => number
  /** Called when the member has left. */
  readonly left: (member: KafkaMember) => void
}

/** One member of a consumer group. It never throws into the library. */
export class KafkaMember implements Member {
  readonly #consumer: Consumer
  readonly #cluster: Cluster
  readonly #connections: Connections
  readonly #group: string
  readonly #topics: readonly string[]
  readonly #handlers: MemberHandlers
  readonly #from: From
  readonly #positions: Positions
  readonly #coordination: Coordination
  #fetching = true
  #over = false
  #leaving: Promise<void> | null = null
  #joining: { resolve: () => void; reject: (error: Error) => void } | null = null

  constructor(options: JoinOptions, connections: Connections) {
    this.#connections = connections
    this.#group = options.group
    this.#topics = options.topics
    this.#handlers = options.handlers
    this.#from = options.from
    this.#positions = new Positions(connections.nextEpoch)
    const { consumer, cluster } = consumerOf(connections.kafka, {
      group: options.group,
      sessionTimeoutMs: connections.sessionTimeoutMs,
      claims: () => this.#positions.claims,
    })
    this.#consumer = consumer
    this.#cluster = cluster
    this.#coordination = new Coordination(cluster, options.group)
    const { events } = consumer
    this.#consumer.on(events.GROUP_JOIN, (event) => this.#safely(() => this.#onGroupJoin(event)))
    this.#consumer.on(events.END_BATCH_PROCESS, (event) =>
      this.#safely(() => this.#onBatchEnd(event)),
    )
    this.#consumer.on(events.CRASH, (event) => this.#onCrash(event))
  }

  /**
   * Joins and hands the first assignment over.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING` · `OFFSET_OUT_OF_RANGE` · `GROUP_FAILED`
   */
  async join(): Promise<void> {
    const joined = new Promise<void>((resolve, reject) => {
      this.#joining = { resolve, reject }
    })
    // It may be rejected before it is waited for.
    joined.catch(() => {})
    try {
      await within(5_000, 'connecting', this.#consumer.connect())
      await this.#connections.formerMembers.takeOut(this.#group, this.#cluster)
      await this.#consumer.subscribe({ topics: [...this.#topics], fromBeginning: true })
      const running = this.#consumer.run({
        autoCommit: false,
        // A batch that was fetched under an older assignment must not move the position of the new one.
        eachBatchAutoResolve: false,
        eachBatch: async (payload) => this.#safely(() => this.#onBatch(payload)),
      })
      await Promise.all([running, joined])
    } catch (error) {
      await this.leave()
      throw fromKafka(error, 'BROKER_UNAVAILABLE')
    }
  }

  async commit({ outputs, deadLetters, nextOffsets }: Commit): Promise<void> {
    if (this.#over) throw this.#hasLeft()
    const { writer } = this.#connections
    await this.#coordination.commit(
      async () => {
        await writer.send(outputs)
        await writer.send(deadLetters)
      },
      () => nextOffsets.filter((next) => this.#positions.get(next)?.epoch === next.epoch),
    )
  }

  pause(partition: TopicPartition): void {
    const owned = this.#positions.get(partition)
    if (owned === undefined || this.#over) return
    owned.paused = true
    this.#consumer.pause(ofLibrary(owned))
  }

  resume(partition: TopicPartition): void {
    const owned = this.#positions.get(partition)
    if (owned === undefined || this.#over) return
    owned.paused = false
    if (owned.started && this.#fetching) this.#consumer.resume(ofLibrary(owned))
  }

  stopFetching(): void {
    this.#fetching = false
    if (this.#over) return
    for (const owned of this.#positions.all()) this.#consumer.pause(ofLibrary(owned))
  }

  leave(): Promise<void> {
    this.#over = true
    this.#joining?.reject(this.#hasLeft())
    this.#leaving ??= this.#close()
    return this.#leaving
  }

  async #close(): Promise<void> {
    const { writer, left } = this.#connections
    try {
      const closing = Promise.all([this.#consumer.disconnect(), writer.close()])
      await within(5_000, 'leaving the group', closing)
    } catch {
      // The broker is gone or hangs: the group will notice by itself that this member is no more.
    }
    left(this)
  }

  /** Called before anything of the new generation is fetched, so that pauses and seeks hold for the first fetch. */
  #onGroupJoin({ payload }: ConsumerGroupJoinEvent): void {
    if (this.#over) return
    const partitions = Object.entries(payload.memberAssignment).flatMap(([topic, list]) =>
      list.map((partition) => ({ topic, partition })),
    )
    const { lost, kept, added } = this.#positions.assign(partitions, this.#coordination.joined)
    for (const owned of added) this.#consumer.pause(ofLibrary(owned))
    // The library has gone back to the committed offset.
    for (const owned of kept) if (owned.started) this.#seek(owned)
    if (lost.length > 0) {
      this.#handlers.lost(lost.map(({ topic, partition }) => ({ topic, partition })))
    }
    this.#coordination.settle()
    void this.#handOver(added)
  }

  async #handOver(added: readonly Owned[]): Promise<void> {
    try {
      await this.#start(added)
    } catch (error) {
      this.#fail(fromKafka(error, 'BROKER_UNAVAILABLE'))
    }
    // A rebalance that took nothing away has nothing to wait for, but the one before it may.
    if (![...this.#positions.all()].every((owned) => owned.started)) return
    this.#joining?.resolve()
    this.#joining = null
  }

  /** Looks up where the partitions begin, hands them over and lets them flow. */
  async #start(added: readonly Owned[]): Promise<void> {
    if (added.length === 0) return
    const standings = new Map<string, Standing>()
    for (const topic of new Set(added.map((owned) => owned.topic))) {
      const ofTopic = await this.#connections.admin.standings(this.#group, topic)
      for (const standing of ofTopic) standings.set(partitionName(standing), standing)
    }
    if (this.#over) return
    // Another rebalance may have taken some of them away meanwhile.
    const still = added.filter((owned) => this.#positions.holds(owned))
    const starts: { owned: Owned; assignment: Assignment; endOffset: number }[] = []
    for (const owned of still) {
      const standing = standings.get(partitionName(owned))
      if (standing === undefined) {
        throw new TidemarkError('TOPIC_MISSING', `${partitionName(owned)} is not there`)
      }
      const { topic, partition, epoch } = owned
      const start = startOf(standing, this.#group, this.#from)
      const assignment = { topic, partition, epoch, ...start }
      starts.push({ owned, assignment, endOffset: standing.endOffset })
    }
    for (const { owned, assignment } of starts) {
      owned.nextOffset = chosenStart(assignment, this.#handlers.assigned(assignment))
      owned.started = true
      this.#seek(owned)
      if (!owned.paused && this.#fetching) this.#consumer.resume(ofLibrary(owned))
    }
    for (const { owned, endOffset } of starts) {
      if (owned.nextOffset === endOffset) this.#caughtUp(owned, endOffset)
    }
  }

  #onBatch(payload: EachBatchPayload): void {
    const { batch } = payload
    const owned = this.#positions.get(batch)
    if (owned === undefined || !owned.started || !this.#fetching || this.#over) return
    if (fetchedOffset(batch) !== owned.nextOffset) {
      this.#seek(owned)
      return
    }
    payload.resolveOffset(batch.lastOffset())
    const chunk = chunkOf(batch, owned.epoch)
    owned.nextOffset = chunk.nextOffset
    this.#handlers.chunk(chunk)
    if (chunk.nextOffset >= chunk.endOffset) this.#caughtUp(owned, chunk.endOffset)
  }

  /** Batches of nothing but control records and aborted ones move the library's position without being delivered. */
  #onBatchEnd({ payload }: ConsumerEndBatchProcessEvent): void {
    const owned = this.#positions.get(payload)
    const nextOffset = Number(payload.lastOffset) + 1
    if (payload.batchSize > 0 || owned === undefined || !owned.started || this.#over) return
    if (nextOffset <= owned.nextOffset) return
    owned.nextOffset = nextOffset
    const endOffset = Number(payload.highWatermark)
    if (nextOffset >= endOffset) this.#caughtUp(owned, endOffset)
  }

  #onCrash({ payload }: ConsumerCrashEvent): void {
    const { error } = payload
    const retriable = (error as Error & { retriable?: boolean }).retriable !== false
    const exhausted = error.name === 'KafkaJSNumberOfRetriesExceeded'
    this.#fail(fromKafka(error, retriable || exhausted ? 'BROKER_UNAVAILABLE' : 'GROUP_FAILED'))
  }

  #caughtUp({ topic, partition }: Owned, endOffset: number): void {
    if (!this.#over) this.#handlers.caughtUp({ topic, partition }, endOffset)
  }

  #seek({ topic, partition, nextOffset }: Owned): void {
    this.#consumer.seek({ topic, partition, offset: String(nextOffset) })
  }

  /** The library would go on after what is thrown here, and the records would be missing. */
  #safely(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(fromKafka(error, 'INVARIANT'))
    }
  }

  /** Ends the member and says why: to whoever waits for `join`, later to its handlers. */
  #fail(error: TidemarkError): void {
    if (this.#over) return
    const { memberId } = this.#coordination
    if (memberId !== null) this.#connections.formerMembers.add(this.#group, memberId)
    if (this.#joining === null) this.#handlers.failed(error)
    else this.#joining.reject(error)
    void this.leave()
  }

  #hasLeft(): TidemarkError {
    return new TidemarkError('FENCED', `the member has left group "${this.#group}"`)
  }
}

function ofLibrary({
  topic,
  partition,
}: TopicPartition): { topic: string; partitions: number[] }[] {
  return [{ topic, partitions: [partition] }]
}

/** The offset the batch was asked for. The library's types hide it; the first message may stand behind a gap. */
function fetchedOffset(batch: Batch): number {
  return Number((batch as Batch & { readonly fetchedOffset: string }).fetchedOffset)
}
