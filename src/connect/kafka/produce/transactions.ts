import { createHash, randomUUID } from 'node:crypto'
import type { Clock } from '../../../kernel/clock.ts'
import { TidemarkError } from '../../../kernel/errors.ts'
import { formatDuration } from '../../../kernel/time.ts'
import type { WrittenRecords } from '../../written-records.ts'
import type { Brokers } from '../client/brokers.ts'
import {
  groupRefusal,
  isUnavailable,
  produceRefusal,
  transactionRefusal,
  unavailable,
} from '../client/errors.ts'
import { repeated } from '../client/waiting.ts'
import type { Coordinated, MemberGeneration, PartitionOffset } from '../wire/groups.ts'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  endTxn,
  initProducerId,
  type TransactionVersion,
  txnOffsetCommit,
} from '../wire/produce.ts'
import { CODE, type Coded, isAmong, type Request } from '../wire/protocol.ts'
import type { Outgoing } from './delivery.ts'
import type { Producer } from './producer.ts'

/** How long a transaction may be open, unless its bytes need longer, ms. */
const OPEN_MS = 10_000
const SHORTEST_OPEN_MS = 200
/** Share of the time limit for writing the records: the rest is for the commit. */
const WRITING = 0.8
/** Gap after the end of a transaction, ms: its markers are still being written. */
const GAP_MS = 5
const RETRY_MS = 10
const END_ATTEMPTS = 3

interface TransactionParts {
  readonly records: WrittenRecords
  readonly offsets: readonly PartitionOffset[]
  /** @throws TidemarkError `REBALANCING`: there is no membership */
  readonly member: () => MemberGeneration
  /** Whether it cannot be smaller: then its transaction may be open for as long as it needs. */
  readonly isSmallest: boolean
}

/**
 * Initialises a producer, which fences the previous one and ends its transaction.
 * @param openMs less if the broker's limit is lower (`transaction.max.timeout.ms`)
 */
export async function fence(brokers: Brokers, transactionalId: string, openMs = OPEN_MS) {
  const key: Coordinated = { type: 'transaction', id: transactionalId }
  for (let ms = openMs; ; ms = Math.floor(ms / 2)) {
    const request = initProducerId(transactionalId, ms)
    const ask = () => brokers.askCoordinator(key, request)
    const { code, producer } = await onceEnded(transactionalId, brokers.clock, ask)
    if (code === CODE.NONE) return { producer, openMs: ms }
    if (code !== CODE.INVALID_TRANSACTION_TIMEOUT || ms < SHORTEST_OPEN_MS)
      throw transactionRefusal(code)
  }
}

/**
 * Repeats a request while the previous transaction ends.
 * @throws TidemarkError `BROKER_UNAVAILABLE`
 */
async function onceEnded<T extends Coded>(
  transactionalId: string,
  clock: Clock,
  ask: () => Promise<T>,
): Promise<T> {
  const isEnded = ({ code }: Coded) => code !== CODE.CONCURRENT_TRANSACTIONS
  const answer = await repeated({ everyMs: RETRY_MS, forMs: OPEN_MS, clock }, ask, isEnded)
  if (isEnded(answer)) return answer
  const message = `the last transaction of "${transactionalId}" is still not ended after ${formatDuration(OPEN_MS)}`
  const hint =
    'its end is written to every partition that it wrote to: check that all of them have a leader'
  throw unavailable(message, { hint })
}

/**
 * Commits outputs and offsets of all partitions of one worker together (KIP-447), records first,
 * with the transaction protocol that the brokers support (rules C4, C6, C7, C10).
 */
export class Transactions {
  readonly transactionalId: string
  readonly #brokers: Brokers
  readonly #producer: Producer
  readonly #coordinator: Coordinated
  #version: TransactionVersion = 1
  #openMs = OPEN_MS
  /** The longest time limit that the broker accepts, where known, ms. */
  #mostMs = Number.POSITIVE_INFINITY
  #endedMs = Number.NEGATIVE_INFINITY
  #hasLostOffsets = false

  constructor(brokers: Brokers, producer: Producer, transactionalId: string) {
    this.transactionalId = transactionalId
    this.#brokers = brokers
    this.#producer = producer
    this.#coordinator = { type: 'transaction', id: transactionalId }
  }

  /** Ends the open transaction of this id, whoever opened it, and takes a new identity. */
  async initialise(openMs = OPEN_MS): Promise<void> {
    this.#producer.useIdentity(null)
    this.#hasLostOffsets = false
    const { features, versions } = await this.#brokers.apisOfCoordinator(this.#coordinator)
    const [, newestProduce = 0] = versions.get(0) ?? []
    const isNew = (features.get('transaction.version') ?? 0) >= 2 && newestProduce >= 12
    this.#version = isNew ? 2 : 1
    const wantedMs = Math.min(openMs, this.#mostMs)
    const { producer, openMs: takenMs } = await fence(this.#brokers, this.transactionalId, wantedMs)
    if (takenMs < wantedMs) this.#mostMs = takenMs
    this.#openMs = takenMs
    this.#producer.useIdentity(producer)
  }

  /**
   * @returns `unknown`: the answer to EndTxn was lost; {@link initialise} makes the outcome final
   * @throws TidemarkError: nothing was committed. `REBALANCING` · `FENCED` · as
   * {@link Producer.send}
   */
  async commit(parts: TransactionParts): Promise<'committed' | 'unknown'> {
    if (this.#producer.identity === null) await this.initialise()
    const outgoing = await this.#encode(parts)
    // The transaction would stay open while nothing can be sent.
    await this.#producer.ready(outgoing)
    parts.member()
    await this.#keepDistance()
    try {
      await this.#write(outgoing, parts)
      parts.member()
    } catch (error) {
      await this.#abort()
      throw error
    }
    return this.#end()
  }

  async #encode({ records, isSmallest }: TransactionParts): Promise<Outgoing[]> {
    const outgoing = await this.#producer.encode(records, true)
    const openMs = isSmallest ? openMsFor(this.#producer.needsMs(outgoing)) : OPEN_MS
    if (Math.min(openMs, this.#mostMs) === this.#openMs) return outgoing
    await this.initialise(openMs)
    return this.#producer.encode(records, true)
  }

  async #keepDistance(): Promise<void> {
    const { clock } = this.#brokers
    const leftMs = () => this.#endedMs + GAP_MS - clock.elapsedMs()
    // A timer may fire slightly early.
    while (leftMs() > 0) await clock.sleep(Math.ceil(leftMs()))
  }

  async #write(outgoing: readonly Outgoing[], parts: TransactionParts): Promise<void> {
    const { member, offsets } = parts
    if (this.#version === 1) await this.#announce(outgoing, member().group)
    const now = member()
    const sending = {
      transactionalId: this.transactionalId,
      joinsTransaction: this.#version === 2,
      withinMs: WRITING * this.#openMs,
      // The group does not wait for this commit once the generation is over.
      check: () => void member(),
    }
    // Records before offsets: each extends the transaction, and of two concurrent ones the broker
    // delays one by 20 ms (KIP-890, `add.partitions.to.txn.retry.backoff.ms`).
    await this.#producer.send(outgoing, sending)
    await this.#sendOffsets(now, offsets)
  }

  /** The old protocol requires partitions and group to be added before writes. */
  async #announce(outgoing: readonly Outgoing[], group: string): Promise<void> {
    if (outgoing.length > 0) await this.#addPartitions(outgoing)
    const { code } = await this.#ask(this.#coordinator, addOffsetsToTxn(this.#open(), group))
    if (code !== CODE.NONE) throw transactionRefusal(code)
  }

  #ask<T extends Coded>(key: Coordinated, request: Request<T>): Promise<T> {
    const ask = () => this.#brokers.askCoordinator(key, request)
    return onceEnded(this.transactionalId, this.#brokers.clock, ask)
  }

  async #addPartitions(outgoing: readonly Outgoing[]): Promise<void> {
    const request = addPartitionsToTxn(this.#open(), outgoing)
    const { refused } = await this.#ask(this.#coordinator, request)
    if (refused === null) return
    if (!isOfTopic(refused.code)) throw transactionRefusal(refused.code)
    this.#producer.forgetTopics(outgoing)
    throw produceRefusal(refused.code, refused)
  }

  async #sendOffsets(member: MemberGeneration, offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const request = txnOffsetCommit(this.#open(), member, offsets)
    const asking = this.#ask({ type: 'group', id: member.group }, request)
    const { code } = await asking.catch((error: unknown) => {
      this.#hasLostOffsets = true
      throw error
    })
    if (code !== CODE.NONE) throw groupRefusal(code, member.group) ?? transactionRefusal(code)
  }

  async #end(): Promise<'committed' | 'unknown'> {
    const request = endTxn(this.#open(), 'commit')
    const { clock } = this.#brokers
    const deadlineMs = clock.elapsedMs() + OPEN_MS
    for (let lost = 0; lost < END_ATTEMPTS && clock.elapsedMs() < deadlineMs; ) {
      try {
        const answer = await this.#brokers.askCoordinator(this.#coordinator, request)
        if (answer.code === CODE.NONE) {
          this.#endedMs = clock.elapsedMs()
          if (this.#version === 2) this.#producer.useIdentity(answer.producer)
          // An earlier EndTxn in flight would end the next transaction, which has the same epoch.
          else if (lost > 0) this.#producer.useIdentity(null)
          return 'committed'
        }
        // With any other code the broker may have written the end already.
        if (answer.code !== CODE.CONCURRENT_TRANSACTIONS) break
      } catch (error) {
        if (!isUnavailable(error)) throw error
        lost++
      }
      await clock.sleep(RETRY_MS)
    }
    this.#producer.useIdentity(null)
    return 'unknown'
  }

  /**
   * If it fails, the next identity aborts the transaction. Under the old protocol, the broker would
   * accept requests in flight after the end, because they have the same epoch, and commit them with
   * the next transaction: so a new epoch is taken, which refuses them.
   */
  async #abort(): Promise<void> {
    const { identity, hasLost } = this.#producer
    if (identity === null) return
    const mustFence = this.#version === 1 && (hasLost || this.#hasLostOffsets)
    const abort = mustFence
      ? initProducerId(this.transactionalId, this.#openMs, identity)
      : endTxn(this.#open(), 'abort')
    await this.#brokers.askCoordinator(this.#coordinator, abort).catch(() => {})
    this.#producer.useIdentity(null)
  }

  #open() {
    const { identity } = this.#producer
    if (identity === null)
      throw new TidemarkError('INVARIANT', 'a transaction without a producer identity')
    return { version: this.#version, transactionalId: this.transactionalId, producer: identity }
  }
}

/** The time limit of a transaction whose records need `needsMs`, ms. */
function openMsFor(needsMs: number): number {
  // Half as much again, because the link may become slower.
  const atLeastMs = (1.5 * needsMs) / WRITING
  // In a few steps, because every change of the limit needs a new identity.
  return OPEN_MS * 2 ** Math.max(0, Math.ceil(Math.log2(atLeastMs / OPEN_MS)))
}

const isOfTopic = isAmong(CODE.UNKNOWN_TOPIC_OR_PARTITION, CODE.TOPIC_AUTHORIZATION_FAILED)

const CHECK_LENGTH = 8

/**
 * Begins with `<group>-`, so that a right can be granted by prefix. Ends with a hash of group and
 * name, so that group `g` with worker `eu-0` and group `g-eu` with worker `0` differ.
 * @param name `undefined`: a new id each time
 */
export function transactionalIdOf(group: string, name: string | undefined): string {
  if (name === undefined) return `${group}-${randomUUID()}`
  const hash = createHash('sha256')
    .update(JSON.stringify([group, name]))
    .digest('hex')
  return `${group}-${name}-${hash.slice(0, CHECK_LENGTH)}`
}
