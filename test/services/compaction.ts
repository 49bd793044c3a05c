import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { naiveBatch } from '../connect/codec/naive-batch.ts'
import { ask, encoder } from './ask.ts'
import { leaderOf, until } from './cluster.ts'
import type { OwnKafka } from './from-maven.ts'
import { freshName } from './kafka.ts'
import { type RawLog, rawLog } from './raw-log.ts'

// A log that ends with a batch in which compaction has left nothing.

const SEGMENT_MS = 60_000
const KEYS = ['a', 'b', 'c']

/**
 * A topic of one partition on a Kafka of one node, which is started again on the way: values at 0,
 * 1, 2, which compaction has removed, and their tombstones at 3, 4, 5, of which the empty batch is
 * left. The log ends at 6.
 */
export async function emptiedTail(kafka: OwnKafka): Promise<{ topic: string; log: RawLog }> {
  const topic = freshName('compacted')
  const log = () => rawLog(kafka.service, { topic, partition: 0 }, 'readUncommitted')
  await createTopic(kafka, topic)
  const producer = await producerOf(kafka)
  const nowMs = Date.now()
  const write = (value: Buffer | null, baseSequence: number, timestampMs = nowMs) =>
    produce(kafka, topic, batch(producer, { value, baseSequence, timestampMs }))
  await write(Buffer.from('v'), 0)
  await write(null, 3)
  // The active segment is never cleaned, so it must hold nothing: for this repetition, which is
  // then not written, the broker begins a new one, because its time is so much later.
  await write(null, 3, nowMs + SEGMENT_MS + 1)
  // A tombstone goes when its batch is cleaned for the second time. The broker cleans again what it
  // does not know to be clean.
  await until('cleaned', async () => isTombstones(await log()))
  const [node] = kafka.nodes
  if (node === undefined || kafka.nodes.length > 1) throw new Error('wants a Kafka of one node')
  node.halt()
  rmSync(join(node.dir, 'data', 'cleaner-offset-checkpoint'))
  await node.restart()
  await until('emptied', async () => isEmptied(await log()))
  return { topic, log: await log() }
}

function isTombstones({ batches }: RawLog): boolean {
  return batches.length === 1 && batches[0]?.hasDeleteHorizon === true
}

/** Is there still a batch up to the end, and nothing in it? */
function isEmptied({ batches, highWatermark }: RawLog): boolean {
  const last = batches.at(-1)
  return last?.lastOffset === highWatermark - 1 && last.records.length === 0
}

async function createTopic(kafka: OwnKafka, topic: string): Promise<void> {
  const client = new Kafka({ brokers: kafka.service.brokers, logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  const config = {
    'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': '0.001',
    'delete.retention.ms': '0',
    'segment.ms': String(SEGMENT_MS),
  }
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ topics: [{ topic, configEntries }], waitForLeaders: false })
  await admin.disconnect()
  const hasLeader = async () => (await leaderOf(kafka.service, { topic, partition: 0 })) !== ''
  await until('there', hasLeader)
}

interface ProducerId {
  readonly id: bigint
  readonly epoch: number
}

/** A new idempotent producer, whose last batch the broker keeps even when it is empty. */
async function producerOf(kafka: OwnKafka): Promise<ProducerId> {
  let producer: ProducerId | null = null
  // The first one of all has to wait until the broker has a supply of ids.
  await until('given an id', async () => (producer = await askForId(kafka)) !== null)
  return producer as unknown as ProducerId
}

async function askForId(kafka: OwnKafka): Promise<ProducerId | null> {
  const body = encoder().writeString(null).writeInt32(60_000)
  const answer = await ask(kafka.node(1).address, { api: 22, version: 1, body })
  answer.readInt32()
  if (answer.readInt16() !== 0) return null
  return { id: BigInt(String(answer.readInt64())), epoch: answer.readInt16() }
}

function batch(
  { id, epoch }: ProducerId,
  of: { value: Buffer | null; baseSequence: number; timestampMs: number },
): Buffer {
  return naiveBatch({
    producerId: id,
    epoch,
    baseSequence: of.baseSequence,
    baseTimestamp: BigInt(of.timestampMs),
    maxTimestamp: BigInt(of.timestampMs),
    records: KEYS.map((key, offsetDelta) => ({
      offsetDelta,
      key: Buffer.from(key),
      value: of.value,
    })),
  })
}

async function produce(kafka: OwnKafka, topic: string, set: Buffer): Promise<void> {
  const body = encoder().writeString(null).writeInt16(-1).writeInt32(30_000)
  body.writeInt32(1).writeString(topic).writeInt32(1).writeInt32(0).writeBytes(set)
  const answer = await ask(kafka.node(1).address, { api: 0, version: 7, body })
  const [error] = answer.readArray((of) => {
    of.readString()
    return of.readArray((partition) => {
      partition.readInt32()
      return partition.readInt16()
    })[0]
  })
  if (error !== 0) throw new Error(`${topic} takes nothing: code ${error}`)
}
