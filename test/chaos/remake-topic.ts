import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { paymentRecords } from '../bench/input.ts'
import { runArguments, topicsOf } from '../bench/stage.ts'
import { until } from '../services/cluster.ts'
import { startTidemark } from '../services/tidemark.ts'
import { createTopics } from '../services/topics.ts'
import { cardFraudOf } from '../soak/topics.ts'
import type { Verb } from './verb.ts'

const PAYMENTS = 200
const WITHIN_MS = 60_000
const CODE = 'TOPIC_CHANGED'

/** A source is deleted and made anew under a worker of a group of its own: it must end and say so, and write nothing of the new one. */
export const remakeTopic: Verb = async (ground, { atS }) => {
  const { admin, options, folder } = ground
  const group = `${ground.group}-side-${Math.round(atS)}`
  const { payments, predictions, deadLetters } = topicsOf(group)
  const make = (topics: readonly string[]) => createAll(options.brokers, topics)
  const endOf = async (topic: string) => Number((await admin.fetchTopicOffsets(topic))[0]?.high)
  const written = async () => (await endOf(predictions)) + (await endOf(deadLetters))
  await make([payments, predictions, deadLetters])
  await feed(options.brokers, payments)
  const running = startTidemark(runArguments({ ...options, group, topology: cardFraudOf() }))
  try {
    const isThrough = async () => {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [payments] })
      return Number(found?.partitions[0]?.offset) === PAYMENTS
    }
    await until('through', isThrough, WITHIN_MS)
    const before = await written()
    await admin.deleteTopics({ topics: [payments] })
    const isGone = async () => !(await admin.listTopics()).includes(payments)
    await until('gone', isGone, WITHIN_MS)
    await make([payments])
    await feed(options.brokers, payments)
    const hasEnded = async () => running.process.exitCode !== null
    await until(`ended by ${CODE}`, hasEnded, WITHIN_MS)
    const { stderr } = await running.ended
    if (!stderr.includes(CODE)) throw new Error(`it ended without ${CODE}`)
    const more = (await written()) - before
    if (more > 0) throw new Error(`${more} outputs were written of the new topic`)
    return `its worker ended with ${CODE}, and wrote nothing of the new one`
  } finally {
    running.process.kill('SIGKILL')
    writeFileSync(join(folder, `${group}.log`), (await running.ended).stderr)
  }
}

async function createAll(brokers: readonly string[], topics: readonly string[]): Promise<void> {
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  try {
    const specs = topics.map((name) => ({ name, partitions: 1 }))
    await createTopics({ brokers: [...brokers] }, records, specs)
  } finally {
    await records.close()
  }
}

async function feed(brokers: readonly string[], topic: string): Promise<void> {
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  const writer = records.writer()
  try {
    await writer.send(paymentRecords(topic, PAYMENTS).next(PAYMENTS))
  } finally {
    await writer.close()
    await records.close()
  }
}
