// A member in a process of its own, to be killed: node --import tsx joins-until-killed.mjs BROKERS GROUP TOPIC SESSION_MS
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'

const [brokers, group, topic, sessionTimeoutMs] = process.argv.slice(2)
const records = new KafkaRecords({
  brokers: brokers.split(','),
  sessionTimeoutMs: Number(sessionTimeoutMs),
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
