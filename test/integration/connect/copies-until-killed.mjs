// A member in a process of its own that copies record by record, exactly once: node --import tsx copies-until-killed.mjs BROKER GROUP TOPIC OUTPUTS
// Says the offset behind every record that is committed, and the code of what ends it. Goes on after
// the third when it is told to.
import { once } from 'node:events'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'

const [broker, group, topic, outputs] = process.argv.slice(2)
const records = new KafkaRecords({ brokers: [broker], sessionTimeoutMs: 3_000 })
const chunks = []
let wake = () => {}
const handlers = {
  assigned: ({ nextOffset }) => nextOffset,
  lost: () => {},
  chunk: (chunk) => {
    chunks.push(chunk)
    wake()
  },
  caughtUp: () => {},
  unreadable: () => {},
  throttled: () => {},
  failed: (error) => {
    throw error
  },
}
const member = await records.join({ group, topics: [topic], from: 'earliest', handlers })
while (chunks.length === 0) {
  await new Promise((resolve) => {
    wake = resolve
  })
}
const { partition, epoch, records: taken } = chunks[0]
try {
  for (const { offset, timestampMs } of taken) {
    const nextOffset = offset + 1
    const value = Buffer.from(`${partition}/${nextOffset}`)
    await member.commit({
      outputs: [{ topic: outputs, partition: 0, key: null, value, timestampMs, headers: [] }],
      deadLetters: [],
      nextOffsets: [{ topic, partition, epoch, nextOffset, metadata: '' }],
    })
    console.log(nextOffset)
    if (nextOffset === 3) await once(process.stdin, 'data')
  }
} catch (error) {
  console.log(error.code)
}
process.exit(0)
