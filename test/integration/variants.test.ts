import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { applyPlan, planOffsets } from '../../src/jobs/offsets.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { onTopics, START_MS, Watch } from '../runtime/support.ts'
import { until } from '../services/cluster.ts'
import { freshName, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { createTopics } from '../services/topics.ts'
import { startWorker } from '../support/in-process.ts'
import { preparedWith, type Times } from '../support/variants.ts'

kafkaTest(
  'a restart scores with the variant that the group has committed, whatever variants cost by then, also after a reset',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const [events, scores, group] = [freshName('events'), freshName('scores'), freshName('group')]
    const names = [events, scores, `${events}.dlq`]
    const wanted = names.map((name) => ({ name, partitions: 2 }))
    await createTopics(kafka, records, wanted)
    const writer = records.writer()
    const actual = new Map([
      ['events', events],
      ['scores', scores],
      ['events.dlq', `${events}.dlq`],
    ])

    /** Scores one event on a machine on which variants take these times. */
    async function work(times: Times): Promise<string[]> {
      const at = START_MS
      const value = Buffer.from(JSON.stringify({ key: 'k', at, amount: 1 }))
      const about = { topic: events, partition: null, key: Buffer.from('k'), timestampMs: at }
      await writer.write([{ ...about, value, headers: [] }])
      const watch = new Watch()
      const prepared = onTopics(preparedWith(times).prepared, actual)
      const own = new KafkaRecords(plainOptions(kafka))
      const worker = startWorker({ prepared, records: own, group, observer: watch.observer })
      const isDone = async () => {
        const all = await records.offsets(group, events)
        return all.every(({ committed, endOffset }) => committed?.nextOffset === endOffset)
      }
      await until('all committed', isDone)
      await worker.stop()
      await own.close()
      return (await readTopic(records, scores)).map((r) => JSON.parse(String(r.value)).model)
    }

    expect(await work({ deep: 25, gbdt: 5, mlp: 1 })).toEqual(['gbdt@1'])
    expect(await work({ deep: 1, gbdt: 25, mlp: 1 })).toEqual(['gbdt@1', 'gbdt@1'])
    // So it does after a reset, which loses the rest of the notes: all three are scored again.
    const [topology] = onTopics(
      preparedWith({ deep: 1, gbdt: 1, mlp: 1 }).prepared,
      actual,
    ).topologies
    const job = { definition: topology?.definition as Definition, group, records }
    await applyPlan(job, await planOffsets(job, { reset: 'earliest', partitions: null }))
    expect(await work({ deep: 1, gbdt: 25, mlp: 1 })).toEqual(Array(5).fill('gbdt@1'))
    await writer.close()
    await records.close()
  },
)
