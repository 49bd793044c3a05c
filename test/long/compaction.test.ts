import { expect } from 'vitest'
import { join, open } from '../integration/connect/joined.ts'
import { emptiedTail } from '../services/compaction.ts'
import { freshName } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'

ownKafkaTest(
  'a log that ends with a batch that compaction has emptied is read to its end',
  async (kafka) => {
    const { topic, log } = await emptiedTail(kafka)
    expect(log.highWatermark).toBe(6)
    expect(log.batches).toMatchObject([{ baseOffset: 3, lastOffset: 5, marker: null, records: [] }])
    const { heard } = await join(open(kafka.service), freshName('group'), topic)
    await heard.until(() => heard.hasReached(6))
    expect(heard.values()).toEqual([])
  },
)
