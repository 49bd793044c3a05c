import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { say } from '../../src/cli/print.ts'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { startKafka } from '../services/start-kafka.ts'
import { startTidemark } from '../services/tidemark.ts'
import { BenchWorker } from './bench-worker.ts'
import { build } from './build.ts'

// What a run takes place on: a broker, topics that nobody has used, and the worker that is measured.

const PARTITIONS = 6
const GUARANTEE = 'at-least-once'

export interface StageOptions {
  /** `null`: one of our own, which is stopped at the end. */
  readonly brokers: readonly string[] | null
  /** The ONNX file to score with. */
  readonly model: string
}

export interface Stage {
  readonly guarantee: string
  readonly topics: Topics
  readonly records: KafkaRecords
  /** Records in a topic of ours. */
  countOf(topic: string): Promise<number>
  /** Starts the worker as a user would, in a process of its own. Once. */
  startWorker(): BenchWorker
}

export interface Topics {
  readonly payments: string
  readonly predictions: string
  readonly deadLetters: string
}

/** Sets a stage, works on it, and clears it away: the worker, the topics, the broker if it is our own. */
export async function onStage<R>(
  options: StageOptions,
  work: (stage: Stage) => Promise<R>,
): Promise<R> {
  await build()
  if (options.brokers !== null) return onBrokers(options.brokers, options.model, work)
  say('starting Kafka ...')
  const kafka = await startKafka()
  say(`Kafka is ready (${kafka.way})`)
  try {
    return await onBrokers(kafka.service.brokers, options.model, work)
  } finally {
    await kafka.stop()
  }
}

async function onBrokers<R>(
  brokers: readonly string[],
  model: string,
  work: (stage: Stage) => Promise<R>,
): Promise<R> {
  const run = `bench-${randomUUID().slice(0, 8)}`
  const topics: Topics = {
    payments: `${run}-payments`,
    predictions: `${run}-predictions`,
    deadLetters: `${run}-payments.dlq`,
  }
  const names = Object.values(topics)
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-bench' })
  let worker: BenchWorker | null = null
  const startWorker = () => {
    worker = new BenchWorker(startTidemark(runArguments({ brokers, model, run, topics })))
    return worker
  }
  const countOf = async (topic: string) => {
    // A fresh topic without transactions: where its partitions end is what was written.
    const ends = await admin.fetchTopicOffsets(topic)
    return ends.reduce((sum, { high }) => sum + Number(high), 0)
  }
  await admin.connect()
  try {
    await records.createTopics(names.map((name) => ({ name, partitions: PARTITIONS })))
    return await work({ guarantee: GUARANTEE, topics, records, countOf, startWorker })
  } finally {
    await (worker as BenchWorker | null)?.stop()
    await records.close()
    await admin.deleteTopics({ topics: names })
    await admin.disconnect()
  }
}

interface RunOptions {
  readonly brokers: readonly string[]
  readonly model: string
  readonly run: string
  readonly topics: Topics
}

function runArguments({ brokers, model, run, topics }: RunOptions): string[] {
  return [
    'run',
    fileURLToPath(new URL('../../topologies/card-fraud.ts', import.meta.url)),
    ...['--brokers', brokers.join(','), '--group', run, '--guarantee', GUARANTEE],
    ...['--topic', `payments=${topics.payments}`],
    ...['--topic', `predictions=${topics.predictions}`],
    ...['--topic', `payments.dlq=${topics.deadLetters}`],
    ...['--model', `card-gbdt=${model}`],
  ]
}
