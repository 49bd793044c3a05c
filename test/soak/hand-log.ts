import { Kafka, logLevel, type Message, type Transaction } from 'kafkajs'
import type { Run } from './checker.ts'

// Logs written by hand, as card-fraud would write them or with faults, for the test of the checker.

/** Number of payments: payment 4 is truncated, 6 is late by 1 ms, and 7 is only just on time. */
export const INPUTS = 8
const CUT_OFF = 4
const LATE = 6
const IN_TIME = 7
const LAG_MS = 30_000
const FIRST_MS = Date.UTC(2026, 0, 1)
/** The broker ends no transaction that is held open for a check, however slow the machine is. */
const OPEN_MS = 600_000

/** How an outcome differs from the correct one. */
export interface Twist {
  readonly value?: object
  readonly id?: string
}

interface Outcome extends Message {
  readonly topic: string
}

/** One partition of payments, and the outcomes that a test writes for them. */
export class HandLog {
  readonly run: Omit<Run, 'notes' | 'fed' | 'mayRepeat'>
  readonly #kafka: Kafka
  #open: { readonly transaction: Transaction; readonly disconnect: () => Promise<void> }[] = []

  constructor(brokers: readonly string[], name: string) {
    this.#kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
    this.run = {
      brokers: brokers.join(','),
      group: name,
      input: `${name}-payments`,
      predictions: `${name}-predictions`,
      deadLetters: `${name}-payments.dlq`,
    }
  }

  get topics(): string[] {
    return [this.run.input, this.run.predictions, this.run.deadLetters]
  }

  /** Writes the payments. */
  async feed(): Promise<void> {
    const producer = this.#kafka.producer()
    await producer.connect()
    const messages = Array.from({ length: INPUTS }, (_, i) => ({ ...payment(i), partition: 0 }))
    await producer.send({ topic: this.run.input, messages })
    await producer.disconnect()
  }

  /** The correct outcomes of the payments `from` ≤ i < `to`. */
  outcomes(from = 0, to = INPUTS): Outcome[] {
    return Array.from({ length: to - from }, (_, i) => this.outcome(from + i))
  }

  /** The correct outcome of a payment. */
  outcome(i: number, twist: Twist = {}): Outcome {
    return i === CUT_OFF || i === LATE ? this.deadLetter(i) : this.prediction(i, twist)
  }

  prediction(
    i: number,
    { value = {}, id = `${this.run.input}/0/${i}/predictions` }: Twist,
  ): Outcome {
    const said = { paymentId: `p-${i}`, cardId: 'c-1', paidAt: paidAt(i), probability: 0.5 }
    return {
      topic: this.run.predictions,
      key: 'c-1',
      value: JSON.stringify({ ...said, ...value }),
      headers: { 'tidemark-id': id },
    }
  }

  deadLetter(i: number): Outcome {
    const origin = { topic: this.run.input, partition: '0', offset: String(i) }
    const headers = Object.entries(origin).map(([name, text]) => [`__streams.errors.${name}`, text])
    return { topic: this.run.deadLetters, ...payment(i), headers: Object.fromEntries(headers) }
  }

  /** Writes outcomes and commits an offset, in one transaction. */
  async commit(outcomes: readonly Outcome[], nextOffset: number | null): Promise<void> {
    const { transaction, disconnect } = await this.#transaction(outcomes)
    if (nextOffset !== null) await sendOffset(transaction, this.run, nextOffset)
    await transaction.commit()
    await disconnect()
  }

  /** Writes outcomes in a transaction that is aborted. */
  async abort(outcomes: readonly Outcome[]): Promise<void> {
    const { transaction, disconnect } = await this.#transaction(outcomes)
    await transaction.abort()
    await disconnect()
  }

  /** Writes outcomes, and perhaps an offset, in a transaction that stays open. */
  async leaveOpen(outcomes: readonly Outcome[], nextOffset: number | null): Promise<void> {
    const open = await this.#transaction(outcomes, 'other')
    if (nextOffset !== null) await sendOffset(open.transaction, this.run, nextOffset)
    this.#open.push(open)
  }

  /** Commits or aborts the open transactions. */
  async close(how: 'commit' | 'abort' = 'abort'): Promise<void> {
    const open = this.#open
    this.#open = []
    for (const { transaction, disconnect } of open) {
      await transaction[how]()
      await disconnect()
    }
  }

  async #transaction(outcomes: readonly Outcome[], writer = 'writer') {
    const producer = this.#kafka.producer({
      transactionalId: `${this.run.group}-${writer}`,
      transactionTimeout: OPEN_MS,
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    const transaction = await producer.transaction()
    for (const { topic, ...message } of outcomes) {
      await transaction.send({ topic, messages: [{ ...message, partition: 0 }] })
    }
    return { transaction, disconnect: () => producer.disconnect() }
  }
}

function sendOffset(transaction: Transaction, run: HandLog['run'], nextOffset: number) {
  const partitions = [{ partition: 0, offset: String(nextOffset) }]
  return transaction.sendOffsets({
    consumerGroupId: run.group,
    topics: [{ topic: run.input, partitions }],
  })
}

function paidAt(i: number): number {
  const watermarkMs = FIRST_MS + (LATE - 1) * 1_000 - LAG_MS
  if (i === LATE) return watermarkMs - 1
  return i === IN_TIME ? watermarkMs : FIRST_MS + i * 1_000
}

function payment(i: number): { key: string; value: string } {
  const value = JSON.stringify({
    paymentId: `p-${i}`,
    cardId: 'c-1',
    merchantId: 'm-1',
    category: 'food',
    country: 'DE',
    amount: 12.5,
    paidAt: paidAt(i),
  })
  return { key: 'c-1', value: i === CUT_OFF ? value.slice(0, 60) : value }
}
