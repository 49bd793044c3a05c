import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Admin, Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import type { StartedTestContainer } from 'testcontainers'
import type { KafkaService } from './kafka.ts'

// Three ways to a real Kafka, tried in turn: one that runs already, Docker, Java with Maven.

export interface RunningKafka {
  readonly service: KafkaService
  /** How it was had, for the progress line. */
  readonly way: string
  readonly stop: () => Promise<void>
}

/** One that can be gone for a while. */
export interface OwnKafka extends RunningKafka {
  /** Stops it in order; it keeps what it holds. */
  readonly halt: () => void
  /** Starts it again where it was; resolves when it answers. */
  readonly resume: () => Promise<void>
}

const IMAGE = 'apache/kafka:4.1.0'

/** @throws Error that says for each way why it cannot be had */
export async function startKafka(): Promise<RunningKafka> {
  const given = process.env['TIDEMARK_TEST_BROKERS']
  if (given !== undefined && given !== '') return useGiven(given)
  const reasons: string[] = []
  for (const way of [startContainer, startFromMaven]) {
    try {
      return await way()
    } catch (error) {
      reasons.push(`${way.name}: ${firstLine(error)}`)
    }
  }
  throw new Error(reasons.join('; '))
}

async function useGiven(list: string): Promise<RunningKafka> {
  const brokers = list.split(',').map((broker) => broker.trim())
  await ready({ brokers }, 10_000)
  const service: KafkaService = { brokers, secure: null }
  return { service, way: `TIDEMARK_TEST_BROKERS=${list}`, stop: async () => {} }
}

async function startContainer(): Promise<RunningKafka> {
  // Loaded only here: it takes a second.
  const { GenericContainer, Wait } = await import('testcontainers')
  const image = process.env['TIDEMARK_KAFKA_IMAGE'] ?? IMAGE
  const [port = 0] = await freePorts(1)
  const container: StartedTestContainer = await new GenericContainer(image)
    // The port is chosen before the start, because the broker must tell clients how it is reached.
    .withExposedPorts({ container: 9092, host: port })
    .withEnvironment(containerEnvironment(port))
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start()
  const stop = async () => {
    await container.stop()
  }
  const brokers = [`${container.getHost()}:${port}`]
  try {
    await ready({ brokers }, 30_000)
  } catch (error) {
    await stop()
    throw error
  }
  return { service: { brokers, secure: null }, way: `Docker, ${image}`, stop }
}

function containerEnvironment(port: number): Record<string, string> {
  return {
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    // Transactions go through a listener that is reachable inside the container.
    KAFKA_LISTENERS: 'BROKER://:29092,PLAINTEXT://:9092,CONTROLLER://:9093',
    KAFKA_ADVERTISED_LISTENERS: `BROKER://localhost:29092,PLAINTEXT://127.0.0.1:${port}`,
    KAFKA_INTER_BROKER_LISTENER_NAME: 'BROKER',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP:
      'BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '3',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '3',
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    KAFKA_LOG_RETENTION_MS: '-1',
  }
}

/** A broker from Maven's jars. @throws Error when Java or Maven is missing and cannot be installed */
export async function startFromMaven(): Promise<OwnKafka> {
  const script = join(import.meta.dirname, 'broker.sh')
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-kafka-'))
  const [plain = 0, controller = 0, secure = 0] = await freePorts(3)
  const run = (...args: string[]) =>
    execFileSync(script, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = async () => {
    run('stop', dir)
  }
  const service = {
    brokers: [`127.0.0.1:${plain}`],
    secure: {
      brokers: [`127.0.0.1:${secure}`],
      caFile: join(dir, 'ca.pem'),
      username: 'tidemark',
      password: 'tidemark',
    },
  }
  try {
    run('start', dir, String(plain), String(controller), String(secure))
    await ready({ brokers: service.brokers }, 60_000)
  } catch (error) {
    await stop()
    throw error
  }
  const halt = () => {
    run('halt', dir)
  }
  const resume = async () => {
    run('resume', dir)
    await ready({ brokers: service.brokers }, 60_000)
  }
  return { service, way: `Java, ${dir}`, stop, halt, resume }
}

/** Resolves when the broker answers, and takes groups. */
async function ready(config: Pick<KafkaConfig, 'brokers'>, withinMs: number): Promise<void> {
  const deadlineMs = Date.now() + withinMs
  for (;;) {
    const admin: Admin = new Kafka({
      ...config,
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    }).admin()
    try {
      await admin.connect()
      await admin.listTopics()
      // The first question about a group makes the broker create the topic in which it keeps them, which takes a while.
      // By their hashes these three lie in the three partitions that the topic has here.
      for (const groupId of ['a', 'b', 'c']) await admin.fetchOffsets({ groupId })
      return
    } catch (error) {
      if (Date.now() > deadlineMs) {
        throw new Error(`not ready after ${withinMs} ms: ${firstLine(error)}`, { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    } finally {
      await admin.disconnect()
    }
  }
}

/** Ports of 127.0.0.1 that are free now; all are held until all are known. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.once('listening', () => resolve((server.address() as AddressInfo).port))
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** What was thrown, in one line; of a command what it printed last. */
function firstLine(thrown: unknown): string {
  const { stderr, message } = thrown as { stderr?: string; message?: string }
  return (
    stderr?.trim().split('\n').at(-1) ??
    (message ?? String(thrown)).split('\n')[0] ??
    'no reason given'
  )
}
