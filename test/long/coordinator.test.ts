import { logLevel } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { Brokers } from '../../src/records/kafka/brokers.ts'
import { clientConfig } from '../../src/records/kafka/options.ts'
import type { DescribeTopics } from '../../src/records/kafka/producer.ts'
import { Producer } from '../../src/records/kafka/producer.ts'
import { Transactions } from '../../src/records/kafka/transactions.ts'
import { coordinatorOf, until } from '../services/cluster.ts'
import { freshName } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { thrownBy } from '../support/thrown.ts'

const NONE: DescribeTopics = async () => new Map()
/** Until the other nodes miss one, and one of them coordinates in its place. */
const MISSED_MS = 40_000

describe('a coordinator of transactions that is dead', () => {
  ownKafkaTest(
    'is found in another place while it is away, though it was told as before when it was asked for again',
    async ({ service, node }) => {
      const config = clientConfig({ brokers: service.brokers })
      const brokers = new Brokers({ ...config, logLevel: logLevel.NOTHING })
      onTestFinished(() => brokers.close())
      await brokers.connect()
      const transactionalId = freshName('id')
      const transactions = new Transactions(brokers, new Producer(brokers, NONE), transactionalId)
      await transactions.initialise()
      const first = (await coordinatorOf(service.brokers[0] as string, { transactionalId })) ?? 0
      node(first).kill()
      expect(await thrownBy(transactions.initialise())).toBeInstanceOf(TidemarkError)
      const hasBegun = async () => {
        await transactions.initialise()
        return true
      }
      await until('another coordinator', hasBegun, MISSED_MS)
    },
    { nodes: 3 },
  )
})
