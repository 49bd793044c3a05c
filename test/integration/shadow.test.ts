import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { Guarantee } from '../../src/connect/port.ts'
import { placeOfId } from '../golden/answers.ts'
import { readGolden } from '../golden/golden.ts'
import cardShadow from '../golden/topologies/card-shadow.ts'
import { Watch } from '../runtime/support.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  kafkaTest,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import { tidemark } from '../services/tidemark-in-test.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

const golden = readGolden(new URL('../golden/card-shadow', import.meta.url).pathname)
const LINES = 1_500
const TOPICS = ['payments', 'predictions', 'card-shadow', 'payments.dlq'] as const

interface ShadowValue {
  readonly score: { readonly probability: number }
}

/** Scores the first lines, which stand in one partition, on topics of their own. */
async function score(records: KafkaRecords, guarantee: Guarantee, without: readonly string[] = []) {
  const names = TOPICS.filter((name) => !without.includes(name))
  const { topics } = await freshTopics(records, names, 1)
  const writer = records.writer()
  await writer.write(
    golden.lines.slice(0, LINES).map(({ key, value }) => ({
      ...{ topic: topics.payments, partition: 0, headers: [], timestampMs: Date.now() },
      ...{ key: Buffer.from(key), value: Buffer.from(value) },
    })),
  )
  await writer.close()
  const missing = without.map((name) => [name, freshName(name)] as const)
  const actual = { ...topics, ...Object.fromEntries(missing) }
  const prepared = await prepare([cardShadow], { topics: actual, latencyBudget: 'none' })
  const watch = new Watch()
  const group = freshName('shadow')
  const { observer } = watch
  const worker = startWorker({ prepared, records, group, guarantee, observer })
  const isDone = () =>
    watch.of('committed').some((e) => e.nextOffsets.some((of) => of.nextOffset === LINES))
  try {
    await Promise.race([watch.until(isDone), worker.done])
    await worker.settled()
  } finally {
    await worker.stop()
    await prepared.close()
  }
  return { topics, watch }
}

async function withRecords(kafka: KafkaService, run: (records: KafkaRecords) => Promise<void>) {
  const records = new KafkaRecords(plainOptions(kafka))
  try {
    await run(records)
  } finally {
    await records.close()
  }
}

for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
  kafkaTest(`the scores of a shadow stand in its topic, and are compared, ${guarantee}`, (kafka) =>
    withRecords(kafka, async (records) => {
      const { topics } = await score(records, guarantee)
      const outputs = await readTopic(records, topics['card-shadow'])
      expect(outputs).toHaveLength(await committedIn(records, topics.predictions))
      const ids = outputs.map((record) => headerOf(record, 'tidemark-id') ?? '')
      expect(new Set(ids).size).toBe(outputs.length)
      for (const [i, { value }] of outputs.entries()) {
        const { score: own } = JSON.parse(String(value)) as ShadowValue
        const line = placeOfId(ids[i] as string).offset
        expect(ids[i]).toBe(`${topics.payments}/0/${line}/card-shadow`)
        expect(own.probability).toBeCloseTo(golden.expected[line]?.shadow as number, 6)
      }
      const { code, stdout } = await tidemark([
        ...['compare', topics.predictions, topics['card-shadow']],
        ...['--field', 'probability=score.probability', '--json'],
        ...['--brokers', kafka.brokers.join(',')],
      ])
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({
        pairs: outputs.length,
        main: { alone: 0, twice: 0 },
        other: { alone: 0, twice: 0 },
      })
    }),
  )
}

kafkaTest(
  'without its topic a shadow is compared all the same, and nothing else is missing',
  (kafka) =>
    withRecords(kafka, async (records) => {
      const { topics, watch } = await score(records, 'exactly-once', ['card-shadow'])
      const published = await committedIn(records, topics.predictions)
      expect(published).toBeGreaterThan(LINES / 2)
      expect(watch.of('note').map(({ message }) => message)).toContainEqual(
        expect.stringMatching(
          /^card-shadow: no scores of a shadow are written: topic "card-shadow/,
        ),
      )
      expect(watch.of('shadow-parity').at(-1)?.pairs).toBe(published)
      const outputs = watch.of('shadow-outputs')
      expect(outputs.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(published)
      expect(watch.troubles('shadow')).toHaveLength(1)
    }),
)

async function committedIn(records: KafkaRecords, topic: string): Promise<number> {
  return (await readTopic(records, topic)).length
}
