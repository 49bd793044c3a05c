import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, inject, test } from 'vitest'
import type { KafkaOptions, PasswordLogin } from '../../src/connect/kafka/client/options.ts'
import type { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'

// The real Kafka that services/global-setup.ts has started, as tests see it.

/** A Kafka that tests may use. Its data is thrown away: nothing has to be cleaned up. */
export interface KafkaService {
  /** Every node of it. */
  readonly brokers: string[]
  /**
   * The same nodes over SASL_SSL with SCRAM-SHA-512; `null` where the broker has no such listener.
   */
  readonly secure: Secure | null
}

/** Where a Kafka of the tests' own has its folder, and the ports of its nodes. */
export interface KafkaPlace {
  readonly dir: string
  readonly ports: readonly number[]
}

/** A Kafka that only one worker of the tests uses. */
export interface WorkersKafka {
  readonly service: KafkaService
  readonly place: KafkaPlace
}

/** How to reach a listener with TLS and SCRAM-SHA-512. */
export interface Secure {
  readonly brokers: string[]
  /** PEM file of the certificate authority. */
  readonly caFile: string
  readonly username: string
  readonly password: string
}

declare module 'vitest' {
  interface ProvidedContext {
    /** The Kafka that all workers share; `null` where each uses its own. */
    kafka: KafkaService | null
    /** A Kafka of one node for each worker; empty where there is none. */
    workersKafkas: readonly WorkersKafka[]
    /**
     * Why there is none, why no test can start one of its own, or a schema registry, and why there
     * is no Prometheus, MLflow, or a language's serializers; empty where there is, or where one can.
     */
    untested: Readonly<
      Record<
        'kafka' | 'ownKafka' | 'registry' | 'redis' | 'prometheus' | 'mlflow' | 'java' | 'python',
        string
      >
    >
  }
}

/**
 * Session timeout of members that die, ms: shorter than brokers take by default
 * (`group.min.session.timeout.ms`).
 */
export const SESSION_MS = 3_000

/** Session timeout of members that are replaced before it passes, ms: longer than any test. */
export const LONG_SESSION_MS = 1_800_000

const { kafka: why } = inject('untested')

/** The Kafka of this worker; `null` where there is none. */
export function workersKafka(): WorkersKafka | null {
  return inject('workersKafkas')[Number(process.env['VITEST_POOL_ID']) - 1] ?? null
}

/** The Kafka of all workers, or else of this one; `null` where there is none. */
export function sharedOrOwn(): KafkaService | null {
  return inject('kafka') ?? workersKafka()?.service ?? null
}

/** A test on the real Kafka; without one it is reported as skipped. */
export function kafkaTest(
  name: string,
  fn: (kafka: KafkaService) => Promise<void>,
  timeout?: number,
): void {
  test(
    `${name} (Kafka)`,
    async ({ skip }) => {
      expect.hasAssertions()
      await fn(sharedOrOwn() ?? skip(why))
    },
    timeout,
  )
}

/** A topic or group name that no other test has. */
export function freshName(what: string): string {
  return `${what}-${randomUUID().slice(0, 8)}`
}

/** Options for a driver on the plain listener; with `TIDEMARK_TEST_SECURE=1` on the secure one. */
export function plainOptions(kafka: KafkaService): KafkaOptions {
  const clientId = 'tidemark-test'
  if (process.env['TIDEMARK_TEST_SECURE'] !== '1') return { brokers: kafka.brokers, clientId }
  if (kafka.secure === null) throw new Error('TIDEMARK_TEST_SECURE: there is no secure listener')
  return { ...secureOptions(kafka.secure), clientId }
}

/** Options for a driver over SASL_SSL. */
export function secureOptions(secure: Secure, sasl: Partial<PasswordLogin> = {}): KafkaOptions {
  const { brokers, caFile, username, password } = secure
  return {
    brokers,
    tls: { ca: readFileSync(caFile, 'utf8') },
    sasl: { mechanism: 'scram-sha-512', username, password, ...sasl },
  }
}

/** New topics for those that a topology names, and the flags of `run` that choose them. */
export async function freshTopics<N extends string>(
  records: KafkaRecords,
  names: readonly N[],
  partitions: number,
): Promise<{ topics: Readonly<Record<N, string>>; flags: string[] }> {
  const entries = names.map((name) => [name, freshName(name)] as const)
  await records.create(entries.map(([, name]) => ({ name, partitions })))
  const flags = entries.flatMap(([logical, actual]) => ['--topic', `${logical}=${actual}`])
  return { topics: Object.fromEntries(entries) as Record<N, string>, flags }
}

/** Records of a topic, each partition in order, one after the other. */
export async function readTopic(records: KafkaRecords, topic: string): Promise<LogRecord[]> {
  const chunks = []
  const reader = await records.read({ topic, from: 'earliest', until: 'end' })
  for await (const chunk of reader) chunks.push(chunk)
  return chunks.toSorted((a, b) => a.partition - b.partition).flatMap((c) => [...c.records])
}
