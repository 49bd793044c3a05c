import { afterAll, beforeAll, expect, inject, onTestFailed, onTestFinished, test } from 'vitest'
import { kafkaAt, type OwnKafka, type OwnKafkaOptions, startFromMaven } from './from-maven.ts'
import { type KafkaService, type Secure, workersKafka } from './kafka.ts'

// Tests on a Kafka that no other test uses meanwhile, which they may stop.

/** Why no Kafka of its own is to be had; empty where it is. */
const { ownKafka: why } = inject('untested')

type Fn = (kafka: OwnKafka) => Promise<void>

/** A test on the Kafka of its worker, which it leaves whole; without Java and Maven it is skipped. */
export function ownKafkaTest(name: string, fn: Fn, timeout?: number): void {
  test(
    `${name} (Kafka of its own)`,
    async ({ skip }) => {
      expect.hasAssertions()
      const { place } = workersKafka() ?? skip(why)
      const kafka = kafkaAt(place)
      onTestFailed(async () => {
        for (const { kill, restart } of kafka.nodes) {
          kill()
          await restart()
        }
      })
      await fn(kafka)
    },
    timeout,
  )
}

/** A test over SASL_SSL. */
export function secureKafkaTest(
  name: string,
  fn: (secure: Secure, kafka: KafkaService) => Promise<void>,
): void {
  test(`${name} (Kafka, TLS)`, async ({ skip }) => {
    expect.hasAssertions()
    const given = inject('kafka')
    const kafka = given?.secure ? given : (workersKafka()?.service ?? skip(why))
    await fn(kafka.secure ?? skip('there is no secure listener'), kafka)
  })
}

interface FreshOptions extends OwnKafkaOptions {
  /** @default that of all tests */
  readonly timeoutMs?: number
}

/** A test on a Kafka that is started for it, with nodes and settings of its own. */
export function freshKafkaTest(
  name: string,
  fn: Fn,
  { timeoutMs, ...options }: FreshOptions,
): void {
  test(
    `${name} (Kafka of its own)`,
    async ({ skip }) => {
      expect.hasAssertions()
      if (why !== '') skip(why)
      const kafka = await startFromMaven(options)
      onTestFinished(kafka.stop)
      await fn(kafka)
    },
    timeoutMs,
  )
}

/** Tests that share one, which each of them leaves whole; else as {@link freshKafkaTest}. */
export function freshKafkaTests(
  define: (kafkaTest: (name: string, fn: Fn) => void) => void,
  options: OwnKafkaOptions,
): void {
  let kafka: OwnKafka | null = null
  beforeAll(async () => {
    if (why === '') kafka = await startFromMaven(options)
  })
  afterAll(() => kafka?.stop())
  define((name, fn) => {
    test(`${name} (Kafka of its own)`, async ({ skip }) => {
      expect.hasAssertions()
      await fn(kafka ?? skip(why))
    })
  })
}
