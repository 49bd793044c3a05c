// A member in a process of its own, to be killed: node --import tsx joins-until-killed.mjs BROKERS GROUP TOPIC SESSION_MS [DEFAULT_NAME]
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'

const [brokers, group, topic, sessionTimeoutMs, defaultName] = process.argv.slice(2)
const records = new KafkaRecords({
  brokers: brokers.split(','),
  sessionTimeoutMs: Number(sessionTimeoutMs),
  ...(defaultName && { defaultName }),
})
const handlers = {
  assigned: ({ nextOffset }) => nextOffset,
  lost: () => {},
  chunk: () => {},
  caughtUp: () => {},
  unreadable: () => {},
  throttled: () => {},
  failed: (error) => {
    throw error
  },
}
await records.join({ group, topics: [topic], from: 'earliest', handlers })
console.log('joined')
