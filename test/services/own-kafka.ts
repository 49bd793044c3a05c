import { inject, onTestFinished, test } from 'vitest'
import { type OwnKafka, startFromMaven } from './start-kafka.ts'

/** Such a test starts a broker twice. */
const OWN_KAFKA_TEST_MS = 90_000

const service = inject('kafka')

/** A test on a broker of its own, which it may stop; skipped where the other tests' broker is not from Maven either. */
export function ownKafkaTest(name: string, fn: (kafka: OwnKafka) => Promise<void>): void {
  test(`${name} (Kafka of its own)`, { timeout: OWN_KAFKA_TEST_MS }, async ({ skip }) => {
    if (service === null || service.secure === null) skip('A KAFKA THAT GOES AWAY: NOT TESTED')
    const kafka = await startFromMaven()
    onTestFinished(kafka.stop)
    await fn(kafka)
  })
}
