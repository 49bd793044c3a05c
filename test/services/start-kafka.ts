import type { StartedTestContainer } from 'testcontainers'
import { ready } from './cluster.ts'
import { type RunningKafka, startFromMaven } from './from-maven.ts'
import type { KafkaService } from './kafka.ts'
import { freePorts } from './ports.ts'

// Three ways to a real Kafka, tried in turn: one that runs already, Docker, Java with Maven.

const IMAGE = 'apache/kafka:4.1.0'
/** One that is given runs, or its address is wrong. */
const GIVEN_MS = 10_000

/** @throws Error that says for each way why it cannot be had */
export async function startKafka(): Promise<RunningKafka> {
  const given = process.env['TIDEMARK_TEST_BROKERS']
  if (given !== undefined && given !== '') return useGiven(given)
  const nodes = process.env['TIDEMARK_TEST_NODES'] === '3' ? 3 : 1
  // Docker has the one version and shape that its image has.
  const wanted = ['KAFKA_VERSION', 'TIDEMARK_TEST_NODES', 'TIDEMARK_TEST_SECURE']
  const ways = wanted.some((name) => name in process.env)
    ? [startFromMaven]
    : [startContainer, startFromMaven]
  const reasons: string[] = []
  for (const way of ways) {
    try {
      return await way({ nodes })
    } catch (error) {
      reasons.push(`${way.name}: ${firstLine(error)}`)
    }
  }
  throw new Error(reasons.join('; '))
}

async function useGiven(list: string): Promise<RunningKafka> {
  const brokers = list.split(',').map((broker) => broker.trim())
  await ready(brokers, GIVEN_MS)
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
    await ready(brokers)
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
    KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    KAFKA_LOG_RETENTION_MS: '-1',
  }
}

/** The message of an error, in one line; for a command, its last line on stderr. */
function firstLine(thrown: unknown): string {
  const { stderr, message } = thrown as { stderr?: string; message?: string }
  return (
    stderr?.trim().split('\n').at(-1) ??
    (message ?? String(thrown)).split('\n')[0] ??
    'no reason given'
  )
}
