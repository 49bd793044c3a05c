import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { formatDuration } from '../../kernel/time.ts'
import type { WrittenRecords } from '../written-records.ts'
import type { Brokers, Coordinated } from './brokers.ts'
import { groupRefusal } from './group-refusal.ts'
import type { Outgoing } from './outgoing.ts'
import { produceRefusal } from './produce-refusal.ts'
import type { Producer } from './producer.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  endTxn,
  type GroupMember,
  initProducerId,
  type PartitionOffset,
  type ProducerIdentity,
  type RefusedPartition,
  type TransactionVersion,
  txnOffsetCommit,
} from './wire/transactions.ts'

// The transactions of one worker: outputs and offsets of all its partitions together (KIP-447), by
// the protocol that the brokers speak (rules C4, C6, C7, C10).

/**
 * How long a transaction may be open, unless its bytes need longer; after that the broker aborts
 * it, ms.
 */
const OPEN_MS = 10_000
/** In less nothing could be written, ms. */
const SHORTEST_OPEN_MS = 200
/** What records may take of that time: the rest is for the end. */
const WRITING = 0.8
/**
 * Between the end of one transaction and the first record of the next: else the next meets the
 * markers of the last, ms.
 */
const GAP_MS = 5
const RETRY_MS = 10
/**
 * How often is an end whose answer was lost asked for again before it is settled by other means.
 */
const END_ATTEMPTS = 3

/** What makes a transaction: records, and offsets under a membership of the group. */
export interface TransactionParts {
  readonly records: WrittenRecords
  readonly offsets: readonly PartitionOffset[]
  /** The membership under which offsets count now. @throws TidemarkError `REBALANCING`: none */
  readonly member: () => GroupMember
  /** Can it not be made smaller? Then its transaction is open for as long as its bytes need. */
  readonly isSmallest: boolean
}

/** Of which transactions the last one may still be being ended. */
interface Ending {
  readonly transactionalId: string
  readonly clock: Clock
}

/** An identity, and how long its transactions may be open, ms. */
interface Opened {
  readonly producer: ProducerIdentity
  readonly openMs: number
}

/**
 * Gives a transactional id an identity, and so ends what is open under it.
 * @param openMs how long transactions may be open; less where the broker takes less
 * (`transaction.max.timeout.ms`)
 * @throws TidemarkError as {@link Transactions.begin}
 */
export async function fence(
  brokers: Brokers,
  transactionalId: string,
  openMs = OPEN_MS,
): Promise<Opened> {
  const of: Coordinated = { type: 'transaction', id: transactionalId }
  for (let ms = openMs; ; ms = Math.floor(ms / 2)) {
    const request = initProducerId(transactionalId, ms)
    const ask = () => brokers.askCoordinator(of, request, (a) => a.code)
    const { code, producer } = await onceEnded(
      { transactionalId, clock: brokers.clock },
      ask,
      (a) => a.code,
    )
    if (code === CODE.NONE) return { producer, openMs: ms }
    if (code !== CODE.INVALID_TRANSACTION_TIMEOUT || ms < SHORTEST_OPEN_MS) throw refusal(code)
  }
}

/**
 * Asks again while the transaction before is still being ended, for as long as one may be open.
 * @throws TidemarkError `BROKER_UNAVAILABLE` when it is for longer
 */
async function onceEnded<T>(
  { transactionalId, clock }: Ending,
  ask: () => Promise<T>,
  codeOf: (answer: T) => number,
): Promise<T> {
  const deadlineMs = clock.elapsedMs() + OPEN_MS
  for (;;) {
    const answer = await ask()
    if (codeOf(answer) !== CODE.CONCURRENT_TRANSACTIONS) return answer
    if (clock.elapsedMs() > deadlineMs) throw notEnded(transactionalId)
    await clock.sleep(RETRY_MS)
  }
}

function notEnded(transactionalId: string): TidemarkError {
  return new TidemarkError(
    'BROKER_UNAVAILABLE',
    `the last transaction of "${transactionalId}" has not been ended for ${formatDuration(OPEN_MS)}`,
    { hint: 'its end is written to every partition it wrote to: has one of them no leader?' },
  )
}

export class Transactions {
  readonly transactionalId: string
  readonly #brokers: Brokers
  readonly #producer: Producer
  readonly #coordinator: Coordinated
  readonly #ending: Ending
  #version: TransactionVersion = 1
  /** How long a transaction under this identity may be open, ms. */
  #openMs = OPEN_MS
  /** The most that the broker is known not to refuse, ms. */
  #mostMs = Number.POSITIVE_INFINITY
  #endedMs = Number.NEGATIVE_INFINITY
  /** Was an offset of the transaction not answered? It may still arrive. */
  #hasLostOffsets = false

  constructor(brokers: Brokers, producer: Producer, transactionalId: string) {
    this.transactionalId = transactionalId
    this.#brokers = brokers
    this.#producer = producer
    this.#coordinator = { type: 'transaction', id: transactionalId }
    this.#ending = { transactionalId, clock: brokers.clock }
  }

  /**
   * Ends what is open under this id, whoever opened it, and takes a new identity.
   * @param openMs how long its transactions may be open
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHORIZATION` · `COMMIT_FAILED`
   */
  async begin(openMs = OPEN_MS): Promise<void> {
    this.#producer.be(null)
    this.#hasLostOffsets = false
    const { features, versions } = await this.#brokers.apisOfCoordinator(this.#coordinator)
    const [, newestProduce = 0] = versions.get(0) ?? []
    const isNew = (features.get('transaction.version') ?? 0) >= 2 && newestProduce >= 12
    this.#version = isNew ? 2 : 1
    const wantedMs = Math.min(openMs, this.#mostMs)
    const { producer, openMs: takenMs } = await fence(this.#brokers, this.transactionalId, wantedMs)
    if (takenMs < wantedMs) this.#mostMs = takenMs
    this.#openMs = takenMs
    this.#producer.be(producer)
  }

  /**
   * @returns `unknown`: the broker was asked to commit and its answer was lost; {@link begin}
   * settles it, one way or the other
   * @throws TidemarkError: nothing was committed. `REBALANCING` · `FENCED` · `BROKER_UNAVAILABLE` ·
   * `COMMIT_FAILED` · `TOPIC_MISSING` · `TOPIC_LIMITS` · `AUTHORIZATION`
   */
  async commit(parts: TransactionParts): Promise<'committed' | 'unknown'> {
    if (this.#producer.identity === null) await this.begin()
    const outgoing = await this.#encode(parts)
    // Else it would stay open while nothing can be sent.
    await this.#producer.ready(outgoing)
    parts.member()
    await this.#keepDistance()
    try {
      await this.#write(outgoing, parts)
      // It may have changed meanwhile.
      parts.member()
    } catch (error) {
      await this.#abort()
      throw error
    }
    return this.#end()
  }

  /** Under an identity whose transactions may be open for as long as these records need. */
  async #encode({ records, isSmallest }: TransactionParts): Promise<Outgoing[]> {
    const outgoing = await this.#producer.encode(records, true)
    const openMs = isSmallest ? openMsFor(this.#producer.needsMs(outgoing)) : OPEN_MS
    if (Math.min(openMs, this.#mostMs) === this.#openMs) return outgoing
    await this.begin(openMs)
    return this.#producer.encode(records, true)
  }

  async #keepDistance(): Promise<void> {
    const { clock } = this.#brokers
    const leftMs = () => this.#endedMs + GAP_MS - clock.elapsedMs()
    // A timer may fire a little early.
    while (leftMs() > 0) await clock.sleep(Math.ceil(leftMs()))
  }

  async #write(outgoing: readonly Outgoing[], parts: TransactionParts): Promise<void> {
    const { member, offsets } = parts
    if (this.#version === 1) await this.#announce(outgoing, member().group)
    // Before anything is sent: nobody would wait for it.
    const now = member()
    const sending = {
      transactionalId: this.transactionalId,
      joinsTransaction: this.#version === 2,
      withinMs: WRITING * this.#openMs,
      // A generation that has passed commits no more: the group waits for nothing.
      check: () => void member(),
    }
    // One after the other: each lets the transaction grow, and of two at once the broker puts one
    // off for 20 ms (KIP-890, `add.partitions.to.txn.retry.backoff.ms`).
    await this.#producer.send(outgoing, sending)
    await this.#sendOffsets(now, offsets)
  }

  /** What the old protocol must be told before a partition or a group is written to. */
  async #announce(outgoing: readonly Outgoing[], group: string): Promise<void> {
    if (outgoing.length > 0) await this.#addPartitions(outgoing)
    const call = addOffsetsToTxn(this.#open(), group)
    const ask = () => this.#brokers.askCoordinator(this.#coordinator, call, (c) => c)
    const code = await onceEnded(this.#ending, ask, (c) => c)
    if (code !== CODE.NONE) throw refusal(code)
  }

  async #addPartitions(outgoing: readonly Outgoing[]): Promise<void> {
    const call = addPartitionsToTxn(this.#open(), outgoing)
    const codeOf = (refused: RefusedPartition | null) => refused?.code ?? CODE.NONE
    const ask = () => this.#brokers.askCoordinator(this.#coordinator, call, codeOf)
    const refused = await onceEnded(this.#ending, ask, codeOf)
    if (refused === null) return
    if (!OF_TOPICS.has(refused.code)) throw refusal(refused.code)
    this.#producer.doubt(outgoing)
    throw produceRefusal(refused.code, refused)
  }

  async #sendOffsets(member: GroupMember, offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const request = txnOffsetCommit(this.#version, this.#open(), { member, offsets })
    const group: Coordinated = { type: 'group', id: member.group }
    const ask = async () => {
      try {
        return await this.#brokers.askCoordinator(group, request, (c) => c)
      } catch (error) {
        this.#hasLostOffsets = true
        throw error
      }
    }
    const code = await onceEnded(this.#ending, ask, (c) => c)
    if (code !== CODE.NONE) throw groupRefusal(code, member.group) ?? refusal(code)
  }

  async #end(): Promise<'committed' | 'unknown'> {
    const request = endTxn(this.#version, this.#open(), 'commit')
    const { clock } = this.#brokers
    const deadlineMs = clock.elapsedMs() + OPEN_MS
    for (let lost = 0; lost < END_ATTEMPTS && clock.elapsedMs() < deadlineMs; ) {
      try {
        const answer = await this.#brokers.askCoordinator(this.#coordinator, request, (a) => a.code)
        if (answer.code === CODE.NONE) {
          this.#endedMs = clock.elapsedMs()
          if (this.#version === 2) this.#producer.be(answer.producer)
          // A first one that is still on its way would end the next transaction, which has the same
          // epoch.
          else if (lost > 0) this.#producer.be(null)
          return 'committed'
        }
        // Whatever else it says, it may have said it after it had written the end.
        if (answer.code !== CODE.CONCURRENT_TRANSACTIONS) break
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.code !== 'BROKER_UNAVAILABLE') throw error
        lost++
      }
      await clock.sleep(RETRY_MS)
    }
    this.#producer.be(null)
    return 'unknown'
  }

  /**
   * Nobody must wait for a transaction that will not be committed. What cannot be aborted is when
   * the next identity is taken. What is still on its way would, under the same epoch, be taken
   * behind the end, and be committed with the next transaction: another epoch refuses it. The new
   * protocol ends every transaction under another one.
   */
  async #abort(): Promise<void> {
    const { identity, hasLost } = this.#producer
    if (identity === null) return
    const mustFence = this.#version === 1 && (hasLost || this.#hasLostOffsets)
    const abort = mustFence
      ? initProducerId(this.transactionalId, this.#openMs, identity)
      : endTxn(this.#version, this.#open(), 'abort')
    await this.#brokers.askCoordinator(this.#coordinator, abort, (a) => a.code).catch(() => {})
    this.#producer.be(null)
  }

  #open() {
    const { identity } = this.#producer
    if (identity === null) throw new TidemarkError('INVARIANT', 'a transaction of nobody')
    return { transactionalId: this.transactionalId, producer: identity }
  }
}

/** How long a transaction must be open so that this time is enough for its records, ms. */
function openMsFor(needsMs: number): number {
  // Half as much again, since no link is always as fast as it was.
  const atLeastMs = (1.5 * needsMs) / WRITING
  // By few steps: another time takes another identity.
  return OPEN_MS * 2 ** Math.max(0, Math.ceil(Math.log2(atLeastMs / OPEN_MS)))
}

/** What is wrong with a topic, and not with the transaction. */
const OF_TOPICS: ReadonlySet<number> = new Set([
  CODE.UNKNOWN_TOPIC_OR_PARTITION,
  CODE.TOPIC_AUTHORIZATION_FAILED,
])

const SHUT_OUT: ReadonlySet<number> = new Set([
  CODE.INVALID_PRODUCER_EPOCH,
  CODE.INVALID_PRODUCER_ID_MAPPING,
  CODE.PRODUCER_FENCED,
])

function refusal(code: number): TidemarkError {
  const message = `the broker answers ${nameOfCode(code)}`
  if (SHUT_OUT.has(code)) return new TidemarkError('FENCED', message)
  if (code !== CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED) {
    return new TidemarkError('COMMIT_FAILED', message)
  }
  return new TidemarkError('AUTHORIZATION', message, {
    hint: 'the user lacks a right (ACL) on the transactional id',
  })
}
