import { setTimeout as sleep } from 'node:timers/promises'
import { TidemarkError } from '../../kernel/errors.ts'
import type { NewRecord } from '../port.ts'
import type { Brokers, Coordinated } from './brokers.ts'
import { groupRefusal } from './group-refusal.ts'
import type { Outgoing, Producer } from './producer.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  endTxn,
  type GroupMember,
  initProducerId,
  type PartitionOffset,
  type TransactionVersion,
  txnOffsetCommit,
} from './wire/transactions.ts'

// The transactions of one worker: outputs and offsets of all its partitions together (KIP-447), by the protocol that the
// brokers speak (PROTOCOL C4, C6, C7, C10).

/** How long a transaction may be open; after that the broker aborts it, ms. */
const OPEN_MS = 10_000
/** Between the end of one transaction and the first record of the next: else the next meets the markers of the last, ms. */
const GAP_MS = 5
const RETRY_MS = 10
/** How often is an end whose answer was lost asked for again before it is settled by other means. */
const END_ATTEMPTS = 3

/** What makes a transaction: records, and offsets under a membership of the group. */
export interface TransactionParts {
  readonly records: readonly NewRecord[]
  readonly offsets: readonly PartitionOffset[]
  /** The membership under which offsets count now. @throws TidemarkError `REBALANCING`: none */
  readonly member: () => GroupMember
}

/** Gives a transactional id an identity, and so ends what is open under it. @throws TidemarkError as {@link Transactions.begin} */
export async function fence(brokers: Brokers, transactionalId: string) {
  const of: Coordinated = { type: 'transaction', id: transactionalId }
  const request = initProducerId(transactionalId, OPEN_MS)
  for (;;) {
    const { code, producer } = await brokers.askCoordinator(of, request, (a) => a.code)
    if (code === CODE.NONE) return producer
    // The broker is just ending the transaction.
    if (code !== CODE.CONCURRENT_TRANSACTIONS) throw refusal(code)
    await sleep(RETRY_MS)
  }
}

export class Transactions {
  readonly transactionalId: string
  readonly #brokers: Brokers
  readonly #producer: Producer
  readonly #coordinator: Coordinated
  #version: TransactionVersion = 1
  #endedMs = Number.NEGATIVE_INFINITY

  constructor(brokers: Brokers, producer: Producer, transactionalId: string) {
    this.transactionalId = transactionalId
    this.#brokers = brokers
    this.#producer = producer
    this.#coordinator = { type: 'transaction', id: transactionalId }
  }

  /**
   * Ends what is open under this id, whoever opened it, and takes a new identity.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `COMMIT_FAILED`
   */
  async begin(): Promise<void> {
    this.#producer.be(null)
    const { features, versions } = await this.#brokers.abilitiesOfCoordinator(this.#coordinator)
    const [, newestProduce = 0] = versions.get(0) ?? []
    const isNew = (features.get('transaction.version') ?? 0) >= 2 && newestProduce >= 12
    this.#version = isNew ? 2 : 1
    this.#producer.be(await fence(this.#brokers, this.transactionalId))
  }

  /**
   * @returns `unknown`: the broker was asked to commit and its answer was lost; {@link begin} settles it, one way or the other
   * @throws TidemarkError: nothing was committed. `REBALANCING` · `FENCED` · `BROKER_UNAVAILABLE` · `COMMIT_FAILED` ·
   * `TOPIC_MISSING` · `TOPIC_LIMITS` · `AUTHENTICATION`
   */
  async commit(parts: TransactionParts): Promise<'committed' | 'unknown'> {
    if (this.#producer.identity === null) await this.begin()
    const outgoing = await this.#producer.encode(parts.records, true)
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

  async #keepDistance(): Promise<void> {
    const leftMs = () => this.#endedMs + GAP_MS - performance.now()
    // A timer may fire a little early.
    while (leftMs() > 0) await sleep(Math.ceil(leftMs()))
  }

  async #write(outgoing: readonly Outgoing[], parts: TransactionParts): Promise<void> {
    const { member, offsets } = parts
    if (this.#version === 1) await this.#announce(outgoing, member().group)
    const sending = {
      transactionalId: this.transactionalId,
      joinsTransaction: this.#version === 2,
    }
    // All have an end before the transaction gets one.
    const [sent, committed] = await Promise.allSettled([
      this.#producer.send(outgoing, sending),
      this.#sendOffsets(member(), offsets),
    ])
    if (committed.status === 'rejected') throw committed.reason
    if (sent.status === 'rejected') throw sent.reason
  }

  /** What the old protocol must be told before a partition or a group is written to. */
  async #announce(outgoing: readonly Outgoing[], group: string): Promise<void> {
    const transaction = this.#open()
    const calls = [
      ...(outgoing.length === 0 ? [] : [addPartitionsToTxn(transaction, outgoing)]),
      addOffsetsToTxn(transaction, group),
    ]
    for (const call of calls) {
      for (;;) {
        const code = await this.#brokers.askCoordinator(this.#coordinator, call, (c) => c)
        if (code === CODE.NONE) break
        // The markers of the last transaction are still being written.
        if (code !== CODE.CONCURRENT_TRANSACTIONS) throw refusal(code)
        await sleep(RETRY_MS)
      }
    }
  }

  async #sendOffsets(member: GroupMember, offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const request = txnOffsetCommit(this.#version, this.#open(), { member, offsets })
    const group: Coordinated = { type: 'group', id: member.group }
    for (;;) {
      const code = await this.#brokers.askCoordinator(group, request, (c) => c)
      if (code === CODE.NONE) return
      if (code !== CODE.CONCURRENT_TRANSACTIONS)
        throw groupRefusal(code, member.group) ?? refusal(code)
      await sleep(RETRY_MS)
    }
  }

  async #end(): Promise<'committed' | 'unknown'> {
    const request = endTxn(this.#version, this.#open(), 'commit')
    for (let lost = 0; ; ) {
      try {
        const answer = await this.#brokers.askCoordinator(this.#coordinator, request, (a) => a.code)
        if (answer.code === CODE.NONE) {
          this.#endedMs = performance.now()
          if (this.#version === 2) this.#producer.be(answer.producer)
          // A first one that is still on its way would end the next transaction, which has the same epoch.
          else if (lost > 0) this.#producer.be(null)
          return 'committed'
        }
        if (answer.code !== CODE.CONCURRENT_TRANSACTIONS) {
          this.#producer.be(null)
          if (lost > 0) return 'unknown'
          throw refusal(answer.code)
        }
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.code !== 'BROKER_UNAVAILABLE') throw error
        lost++
        if (lost === END_ATTEMPTS) {
          this.#producer.be(null)
          return 'unknown'
        }
      }
      await sleep(RETRY_MS)
    }
  }

  /** Nobody must wait for a transaction that will not be committed. What cannot be aborted is when the next identity is taken. */
  async #abort(): Promise<void> {
    const { identity } = this.#producer
    if (identity === null) return
    const abort = endTxn(this.#version, this.#open(), 'abort')
    await this.#brokers.askCoordinator(this.#coordinator, abort, (a) => a.code).catch(() => {})
    this.#producer.be(null)
  }

  #open() {
    const { identity } = this.#producer
    if (identity === null) throw new TidemarkError('INVARIANT', 'a transaction of nobody')
    return { transactionalId: this.transactionalId, producer: identity }
  }
}

const SHUT_OUT: ReadonlySet<number> = new Set([
  CODE.INVALID_PRODUCER_EPOCH,
  CODE.INVALID_PRODUCER_ID_MAPPING,
  CODE.PRODUCER_FENCED,
])

function refusal(code: number): TidemarkError {
  const message = `the broker answers ${nameOfCode(code)}`
  if (SHUT_OUT.has(code)) return new TidemarkError('FENCED', message)
  const isRight =
    code === CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED || code === CODE.TOPIC_AUTHORIZATION_FAILED
  if (!isRight) return new TidemarkError('COMMIT_FAILED', message)
  return new TidemarkError('AUTHENTICATION', message, {
    hint: 'the user lacks a right (ACL) on the transactional id or the topic',
  })
}
