import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { say } from '../../src/cli/print.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { Docker } from '../services/docker.ts'
import { startKafka } from '../services/start-kafka.ts'
import { startNode, startProgram, startTidemark } from '../services/tidemark.ts'
import { ROOT } from '../support/paths.ts'
import { BenchWorker } from './bench-worker.ts'
import { build } from './build.ts'

// The environment of a measurement: a broker, new topics, and the measured worker.

const W1 = fileURLToPath(new URL('topologies/w1.ts', import.meta.url))
const COPY = fileURLToPath(new URL('copy/bare.ts', import.meta.url))
const PARTITIONS = 6
/** Where the image has the files of the checkout. */
const IN_IMAGE = '/app'

/** How a stage is set up. */
export interface StageOptions {
  /** `null`: starts a broker, which is stopped at the end. */
  readonly brokers: readonly string[] | null
  /** The ONNX file to score with. */
  readonly model: string
  /** A value for `tidemark run --guarantee`. */
  readonly guarantee: string
  /** A file with a topology of card-fraud. @default test/bench/topologies/w1.ts */
  readonly topology?: string
}

/** A broker with topics, on which a worker can be started. */
export interface Stage {
  readonly topics: Topics
  readonly records: KafkaRecords
  /** Number of payments whose outcomes are committed, by the committed offsets of the group. */
  committed(): Promise<number>
  /**
   * Starts the worker as a user would, in a separate process, with additional flags and
   * environment. Only one may run at a time.
   */
  startWorker(flags?: readonly string[], env?: Readonly<Record<string, string>>): BenchWorker
  /**
   * Starts the worker in a container of an image of this checkout, on the network of this machine.
   * The container ends with it.
   *
   * @param flags of `docker run`
   */
  startContainer(docker: Docker, image: string, flags: readonly string[]): BenchWorker
  /** Starts a process that only copies the payments, in place of the worker. */
  startCopy(): BenchWorker
}

/** Names of the topics of a stage. */
export interface Topics {
  readonly payments: string
  readonly predictions: string
  readonly deadLetters: string
}

/**
 * Sets up a stage, calls `work`, and cleans up: the worker, the topics, and the broker if it was
 * started here.
 */
export async function onStage<R>(
  options: StageOptions,
  work: (stage: Stage) => Promise<R>,
): Promise<R> {
  await build()
  return withBrokers(options.brokers, (brokers) => onBrokers({ ...options, brokers }, work))
}

/** Calls `work` with the given brokers; for `null` with a broker that is stopped at the end. */
export async function withBrokers<R>(
  given: readonly string[] | null,
  work: (brokers: readonly string[]) => Promise<R>,
): Promise<R> {
  if (given !== null) return work(given)
  say('starting Kafka ...')
  const kafka = await startKafka()
  say(`Kafka is ready (${kafka.way})`)
  try {
    return await work(kafka.service.brokers)
  } finally {
    await kafka.stop()
  }
}

async function onBrokers<R>(
  { brokers, ...options }: StageOptions & { readonly brokers: readonly string[] },
  work: (stage: Stage) => Promise<R>,
): Promise<R> {
  const group = `bench-${randomUUID().slice(0, 8)}`
  const topics = topicsOf(group)
  const names = Object.values(topics)
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-bench' })
  let worker: BenchWorker | null = null
  const startWorker: Stage['startWorker'] = (flags = [], env = {}) => {
    const args = [...runArguments({ ...options, brokers, group }), ...flags]
    worker = new BenchWorker(startTidemark(args, { env }))
    return worker
  }
  const committed = async () => {
    const [of] = await admin.fetchOffsets({ groupId: group, topics: [topics.payments] })
    // -1: nothing is committed yet.
    return (of?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0)
  }
  const startContainer: Stage['startContainer'] = ({ env }, image, flags) => {
    const own = runArguments({ ...options, brokers, group })
    const args = own.map((arg) => arg.replaceAll(ROOT, `${IN_IMAGE}/`))
    const files = ['-v', `${join(ROOT, 'test')}:${IN_IMAGE}/test:ro`]
    const place = ['--rm', '--network', 'host', '-e', 'TIDEMARK_HTTP_PORT=off', ...files]
    const run = ['run', ...place, ...flags, image, ...args]
    worker = new BenchWorker(startProgram('docker', run, { env }))
    return worker
  }
  const startCopy: Stage['startCopy'] = () => {
    const { guarantee } = options
    const args = [COPY, brokers.join(','), guarantee, topics.payments, topics.predictions]
    // With the flags of this process, so that it can run TypeScript.
    worker = new BenchWorker(startNode([...process.execArgv, ...args]))
    return worker
  }
  await admin.connect()
  try {
    await records.create(names.map((name) => ({ name, partitions: PARTITIONS })))
    return await work({ topics, records, committed, startWorker, startContainer, startCopy })
  } finally {
    await (worker as BenchWorker | null)?.stop()
    await records.close()
    await admin.deleteTopics({ topics: names })
    await admin.disconnect()
  }
}

/** The topics of a group, which no other group uses. */
export function topicsOf(group: string): Topics {
  return {
    payments: `${group}-payments`,
    predictions: `${group}-predictions`,
    deadLetters: `${group}-payments.dlq`,
  }
}

/** Settings of `tidemark run`. */
export interface RunOptions {
  readonly brokers: readonly string[]
  readonly model: string
  readonly group: string
  readonly guarantee: string
  /** A file with a topology of card-fraud. @default test/bench/topologies/w1.ts */
  readonly topology?: string
}

/** The arguments with which a worker of the group runs card-fraud on {@link topicsOf} the group. */
export function runArguments({
  brokers,
  model,
  group,
  guarantee,
  topology = W1,
}: RunOptions): string[] {
  const topics = topicsOf(group)
  return [
    'run',
    topology,
    ...['--brokers', brokers.join(','), '--group', group, '--guarantee', guarantee],
    ...['--topic', `payments=${topics.payments}`],
    ...['--topic', `predictions=${topics.predictions}`],
    ...['--topic', `payments.dlq=${topics.deadLetters}`],
    ...['--model', `card-gbdt=${model}`],
  ]
}
