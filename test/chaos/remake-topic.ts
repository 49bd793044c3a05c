import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { paymentRecords } from '../bench/input.ts'
import { runArguments, topicsOf } from '../bench/stage.ts'
import { metadataOf, until } from '../services/cluster.ts'
import { startTidemark } from '../services/tidemark.ts'
import type { Ground } from '../soak/course.ts'
import { paymentTopology } from '../soak/topics.ts'
import { address } from './ask-anyone.ts'
import type { Verb } from './verb.ts'

const PAYMENTS = 200
const WITHIN_MS = 60_000
const CODE = 'TOPIC_CHANGED'

/**
 * A source is deleted and made again under a worker of a group of its own: it must end and say so,
 * and write nothing of the new one.
 */
export const remakeTopic: Verb = async (ground, { atS }) => {
  const { admin, options, folder } = ground
  const group = `${ground.group}-side-${Math.round(atS)}`
  const { payments, predictions, deadLetters } = topicsOf(group)
  const make = (topics: readonly string[]) => until('made', () => isMade(ground, topics), WITHIN_MS)
  const endOf = async (topic: string) => {
    let end = -1
    // Leaders change meanwhile, and the library may ask the former one.
    const isTold = async () => {
      const told = await admin.fetchTopicOffsets(topic).catch(() => [])
      end = Number(told[0]?.high ?? -1)
      return end >= 0
    }
    await until('where it ends is told', isTold, WITHIN_MS)
    return end
  }
  const written = async () => (await endOf(predictions)) + (await endOf(deadLetters))
  const fill = () => until('fed', () => isFed(options.brokers, payments, endOf), WITHIN_MS)
  await make([payments, predictions, deadLetters])
  await fill()
  const running = startTidemark(runArguments({ ...options, group, topology: paymentTopology() }))
  try {
    const isThrough = async () => {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [payments] })
      return Number(found?.partitions[0]?.offset) === (await endOf(payments))
    }
    await until('through', isThrough, WITHIN_MS)
    const before = await written()
    await admin.deleteTopics({ topics: [payments] })
    const isGone = async () => !(await admin.listTopics()).includes(payments)
    await until('gone', isGone, WITHIN_MS)
    await make([payments])
    await fill()
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

/** Makes them where need be; each has a replica on every node, so that all must be there. */
async function isMade(ground: Ground, topics: readonly string[]): Promise<boolean> {
  const at = await address(ground)
  const led = async () => {
    const { partitions } = await metadataOf(at)
    const known = partitions.filter(({ leader }) => leader >= 0).map(({ topic }) => topic)
    return topics.filter((topic) => !known.includes(topic))
  }
  const missing = await led()
  const specs = missing.map((topic) => ({ topic, numPartitions: 1 }))
  if (specs.length > 0) await ground.admin.createTopics({ topics: specs })
  return (await led()).length === 0
}

/**
 * Feeds what is not there yet; a connection may break meanwhile, so that some may be there twice.
 */
async function isFed(
  brokers: readonly string[],
  topic: string,
  endOf: (topic: string) => Promise<number>,
): Promise<boolean> {
  if ((await endOf(topic)) >= PAYMENTS) return true
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  const writer = records.writer()
  try {
    await writer.write(paymentRecords(topic, PAYMENTS).next(PAYMENTS))
    return true
  } finally {
    await writer.close()
    await records.close()
  }
}
