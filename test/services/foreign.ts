import { Kafka, logLevel, type Producer, type Transaction } from 'kafkajs'
import { onTestFinished } from 'vitest'
import type { TopicPartition } from '../../src/connect/port.ts'
import { ask, encoder } from './ask.ts'
import { metadataOf, until } from './cluster.ts'
import { freshName, type KafkaService } from './kafka.ts'

// Transactions of others, by the library's own producer.

export const COMMIT = Symbol('commit')
export const ABORT = Symbol('abort')

/** Who, and what: a value is one record; the first one of a producer begins its transaction. */
type Step = readonly [producer: string, what: string | typeof COMMIT | typeof ABORT]

/** A transactional producer of the library, for as long as the test lasts. */
export async function foreignProducer(
  kafka: KafkaService,
  transactionalId = freshName('foreign'),
): Promise<Producer> {
  const client = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING })
  const producer = client.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
  onTestFinished(() => producer.disconnect())
  await producer.connect()
  return producer
}

/**
 * Runs transactions of several producers, each step of which takes one offset of the partition.
 * Transactions that are not ended stay open for a minute, until the broker aborts them.
 */
export async function interleave(
  kafka: KafkaService,
  { topic, partition }: TopicPartition,
  steps: readonly Step[],
): Promise<void> {
  const producers = new Map<string, Producer>()
  const open = new Map<string, Transaction>()
  const idOf = (name: string) => `${name}-in-${topic}-${partition}`
  for (const [name, what] of steps) {
    const producer = producers.get(name) ?? (await foreignProducer(kafka, idOf(name)))
    producers.set(name, producer)
    const transaction = open.get(name) ?? (await producer.transaction())
    open.set(name, transaction)
    if (typeof what === 'string') {
      await transaction.send({ topic, messages: [{ partition, key: name, value: what }] })
    } else {
      await (what === COMMIT ? transaction.commit() : transaction.abort())
      open.delete(name)
      await ended(kafka, idOf(name))
    }
  }
}

/**
 * Resolves when every marker of the transaction is written, which may be after the broker has taken
 * its end.
 */
export async function ended(kafka: KafkaService, transactionalId: string): Promise<void> {
  const isOver = async () => !(await openTransactions(kafka)).includes(transactionalId)
  await until(`at the end of ${transactionalId}`, isOver)
}

/**
 * Ids of the transactions that are neither committed nor aborted, or of which not every marker is
 * written.
 */
export async function openTransactions(kafka: KafkaService): Promise<string[]> {
  const [first = ''] = kafka.brokers
  const { nodes } = await metadataOf(first)
  return (await Promise.all([...nodes.values()].map(openTransactionsOf))).flat().toSorted()
}

const OVER = ['Empty', 'CompleteCommit', 'CompleteAbort', 'Dead']

/** The open transactions that a node coordinates. */
async function openTransactionsOf(address: string): Promise<string[]> {
  // Empty filters: every state, every producer.
  const body = encoder().writeInt8(1).writeInt8(1).writeInt8(0)
  const answer = await ask(address, { api: 66, version: 0, body, isFlexible: true })
  answer.readInt32()
  const error = answer.readInt16()
  if (error !== 0) throw new Error(`${address} lists no transactions: code ${error}`)
  answer.readUVarIntArray((state) => state.readUVarIntString())
  const transactions = answer.readUVarIntArray((of) => {
    const id = of.readUVarIntString()
    of.readInt64()
    const state = of.readUVarIntString()
    of.readTaggedFields()
    return { id, state }
  })
  return transactions.filter(({ state }) => !OVER.includes(state)).map(({ id }) => id)
}
