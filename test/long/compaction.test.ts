import { expect } from 'vitest'
import { emptiedTail } from '../services/compaction.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'

ownKafkaTest('compaction leaves an empty batch at the end of a log', async (kafka) => {
  const { log } = await emptiedTail(kafka)
  expect(log.highWatermark).toBe(6)
  expect(log.batches).toMatchObject([{ baseOffset: 3, lastOffset: 5, marker: null, records: [] }])
})
