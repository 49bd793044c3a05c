import { randomUUID } from 'node:crypto'
import { inject, test } from 'vitest'
import type { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import type { KafkaOptions } from '../../src/records/kafka/options.ts'
import type { LogRecord } from '../../src/records/port.ts'

// What a test needs of the real Kafka that test/global-setup.ts has started.

/** A broker that tests may use. Its data is thrown away: nothing has to be cleaned up. */
export interface KafkaService {
  readonly brokers: string[]
  /** The same broker over SASL_SSL with SCRAM-SHA-512; `null` where the broker has no such listener. */
  readonly secure: {
    readonly brokers: string[]
    /** PEM file of the certificate authority. */
    readonly caFile: string
    readonly username: string
    readonly password: string
  } | null
}

declare module 'vitest' {
  interface ProvidedContext {
    /** `null` when there is no Kafka, or none of the tests uses it. */
    kafka: KafkaService | null
  }
}

/** How long a test on the real Kafka may take when nothing else is said, ms. */
const KAFKA_TEST_MS = 30_000

const service = inject('kafka')

/** A test on the real Kafka; without one it is reported as skipped. */
export function kafkaTest(
  name: string,
  fn: (kafka: KafkaService) => Promise<void>,
  timeout = KAFKA_TEST_MS,
): void {
  test(`${name} (Kafka)`, { timeout }, async ({ skip }) => {
    await fn(service ?? skip('KAFKA: NOT TESTED'))
  })
}

/** As {@link kafkaTest}, over SASL_SSL. */
export function secureKafkaTest(
  name: string,
  fn: (secure: NonNullable<KafkaService['secure']>) => Promise<void>,
): void {
  test(`${name} (Kafka, TLS)`, { timeout: KAFKA_TEST_MS }, async ({ skip }) => {
    await fn(service?.secure ?? skip('KAFKA WITH TLS AND SCRAM: NOT TESTED'))
  })
}

/** A topic or group name that no other test has. */
export function freshName(what: string): string {
  return `${what}-${randomUUID().slice(0, 8)}`
}

/** Options for a driver on the plain listener. */
export function plainOptions(kafka: KafkaService): KafkaOptions {
  return { brokers: kafka.brokers, clientId: 'tidemark-test' }
}

/** New topics for those that a topology names, and the flags of `run` that choose them. */
export async function freshTopics<N extends string>(
  records: KafkaRecords,
  names: readonly N[],
  partitions: number,
): Promise<{ topics: Readonly<Record<N, string>>; flags: string[] }> {
  const entries = names.map((name) => [name, freshName(name)] as const)
  await records.createTopics(entries.map(([, name]) => ({ name, partitions })))
  const flags = entries.flatMap(([logical, actual]) => ['--topic', `${logical}=${actual}`])
  return { topics: Object.fromEntries(entries) as Record<N, string>, flags }
}

/** What stands in a topic, each partition in order, one after the other. */
export async function readTopic(records: KafkaRecords, topic: string): Promise<LogRecord[]> {
  const chunks = []
  const reader = await records.read({ topic, from: 'earliest', until: 'end' })
  for await (const chunk of reader) chunks.push(chunk)
  return chunks.toSorted((a, b) => a.partition - b.partition).flatMap((c) => c.records)
}
