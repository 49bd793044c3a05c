import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { type OwnKafka, type OwnKafkaOptions, startFromMaven } from './from-maven.ts'
import type { KafkaService, Secure } from './kafka.ts'

/** Such a test starts brokers more than once. */
const OWN_KAFKA_TEST_MS = 90_000

/** Why no Kafka of its own is to be had; empty where it is. */
const { ownKafka: why } = inject('untested')

type Fn = (kafka: OwnKafka) => Promise<void>

interface TestOptions extends OwnKafkaOptions {
  /** @default 90_000 */
  readonly timeoutMs?: number
}

const SECURE_TEST_MS = 60_000
let withTls: Promise<OwnKafka> | null = null

afterAll(async () => {
  await (await withTls)?.stop()
})

/**
 * A test over SASL_SSL; where the other tests' Kafka has no such listener, on one that the file's
 * tests share.
 */
export function secureKafkaTest(
  name: string,
  fn: (secure: Secure, kafka: KafkaService) => Promise<void>,
): void {
  test(`${name} (Kafka, TLS)`, { timeout: SECURE_TEST_MS }, async ({ skip }) => {
    expect.hasAssertions()
    const given = inject('kafka')
    const { secure = null } = given ?? {}
    if (given !== null && secure !== null) return fn(secure, given)
    if (why !== '') skip(why)
    withTls ??= startFromMaven()
    const { service } = await withTls
    await fn(service.secure ?? skip('there is no secure listener'), service)
  })
}

/**
 * A test on a Kafka of its own, which it may stop, whatever the other tests use; without Java and
 * Maven it is skipped.
 */
export function ownKafkaTest(
  name: string,
  fn: Fn,
  { timeoutMs = OWN_KAFKA_TEST_MS, ...options }: TestOptions = {},
): void {
  test(`${name} (Kafka of its own)`, { timeout: timeoutMs }, async ({ skip }) => {
    expect.hasAssertions()
    if (why !== '') skip(why)
    const kafka = await startFromMaven(options)
    onTestFinished(kafka.stop)
    await fn(kafka)
  })
}

/**
 * Tests on one Kafka of their own, which each of them leaves whole; else as {@link ownKafkaTest}.
 */
export function ownKafkaTests(
  define: (kafkaTest: (name: string, fn: Fn) => void) => void,
  options?: OwnKafkaOptions,
): void {
  let kafka: OwnKafka | null = null
  beforeAll(async () => {
    if (why === '') kafka = await startFromMaven(options)
  }, OWN_KAFKA_TEST_MS)
  afterAll(() => kafka?.stop())
  define((name, fn) => {
    test(`${name} (Kafka of its own)`, { timeout: OWN_KAFKA_TEST_MS }, async ({ skip }) => {
      expect.hasAssertions()
      await fn(kafka ?? skip(why))
    })
  })
}
