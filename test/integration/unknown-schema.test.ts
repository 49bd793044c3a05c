import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { type Clock, wallClock } from '../../src/kernel/clock.ts'
import { HandRegistry } from '../formats/registry/hand-registry.ts'
import { JSON_SCHEMA, started, valueOf } from '../runtime/registry-workers.ts'
import { until } from '../services/cluster.ts'
import { freshName, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { createTopics } from '../services/topics.ts'

const [KNOWN, UNKNOWN] = [1, 2]
/** By which a schema is given up after half a second. */
const quickClock: Clock = { ...wallClock, elapsedMs: () => 20 * wallClock.elapsedMs() }

kafkaTest(
  'what was given up for its unknown schema stays so in a replay, although the registry has the schema by then',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => records.close())
    const events = freshName('events')
    const group = freshName('group')
    const topics = { events, counts: freshName('counts'), 'events.dlq': `${events}.dlq` }
    const wanted = Object.values(topics).map((name) => ({ name, partitions: 1 }))
    await createTopics(kafka, records, wanted)
    const writer = records.writer()
    const registry = new HandRegistry()
    registry.add(KNOWN, JSON_SCHEMA)

    /** Sends events, and works until all are committed. */
    async function work(sent: readonly (readonly [id: number, atMs: number])[]): Promise<void> {
      const to = { topic: events, partition: 0, key: Buffer.from('k'), headers: [] }
      await writer.write(sent.map(([id, atMs]) => ({ ...to, ...valueOf({ id, atMs }) })))
      const own = new KafkaRecords(plainOptions(kafka))
      const actual = new Map(Object.entries(topics))
      const { worker } = await started(own, { hand: registry, actual, group, clock: quickClock })
      const isDone = async () => {
        const [all] = await records.offsets(group, events)
        return all?.committed?.nextOffset === all?.endOffset
      }
      await until('all committed', isDone)
      await worker.stop()
      await own.close()
    }

    await work([
      [KNOWN, 0],
      [UNKNOWN, 1],
      [KNOWN, 2],
    ])
    registry.add(UNKNOWN, JSON_SCHEMA)
    await work([
      [UNKNOWN, 3],
      [KNOWN, 20_000],
    ])
    const [window] = (await readTopic(records, topics.counts)).map((r) =>
      JSON.parse(String(r.value)),
    )
    expect(window).toMatchObject({ n: 3 })
    expect(await readTopic(records, topics['events.dlq'])).toHaveLength(1)
    await writer.close()
  },
)
