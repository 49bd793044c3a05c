import type { TopicPartition } from '../../src/connect/port.ts'
import { ask, encoder } from './ask.ts'
import { leaderOf, until } from './cluster.ts'
import type { KafkaService } from './kafka.ts'

const ALL_REPLICAS = -1
const WITHIN_MS = 4_000

/**
 * Writes a batch as it is, byte for byte, once its partition has a leader. The offset of its first
 * record. Shares nothing with our driver.
 */
export async function produceRaw(
  kafka: KafkaService,
  partition: TopicPartition,
  batch: Buffer,
): Promise<number> {
  let offset = -1
  const isWritten = async () => {
    const { code, baseOffset } = await produceOnce(kafka, partition, batch)
    offset = baseOffset
    if (code !== 0) throw new Error(`a batch is answered with code ${code}`)
    return true
  }
  await until('written', isWritten)
  return offset
}

async function produceOnce(
  kafka: KafkaService,
  { topic, partition }: TopicPartition,
  batch: Buffer,
): Promise<{ readonly code: number; readonly baseOffset: number }> {
  const body = encoder().writeString(null).writeInt16(ALL_REPLICAS).writeInt32(WITHIN_MS)
  body.writeInt32(1).writeString(topic).writeInt32(1).writeInt32(partition).writeBytes(batch)
  const leader = await leaderOf(kafka, { topic, partition })
  const answer = await ask(leader, { api: 0, version: 3, body })
  const [produced] = answer.readArray((of) => {
    of.readString()
    const [first] = of.readArray((p) => {
      p.readInt32()
      const [code, baseOffset] = [p.readInt16(), Number(p.readInt64())]
      p.readInt64()
      return { code, baseOffset }
    })
    return first
  })
  return produced ?? { code: -1, baseOffset: -1 }
}
