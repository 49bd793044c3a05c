import {
  type Consumer,
  type EachBatchPayload,
  Kafka,
  logLevel,
  type Message,
  type Producer,
  type TopicMessages,
  type Transaction,
} from 'kafkajs'
import { type CopyTask, Meter, type Pass, runPasses } from '../pass.ts'

// A copy with kafkajs as in its documentation: eachBatch, and an idempotent or transactional
// producer.

/** kafkajs takes time quadratic in the records of a partition to group the records of a send. */
const RECORDS_PER_SEND = 1_000

type Send = (messages: TopicMessages) => Promise<unknown>

/** How records are written and committed under a guarantee. */
interface Way {
  /** Returns the function that writes records of the next commit. */
  send(): Promise<Send>
  commit(offsets: ReadonlyMap<number, string>): Promise<void>
}

async function copy(task: CopyTask, output: string): Promise<Pass> {
  const kafka = new Kafka({
    brokers: [...task.brokers],
    clientId: output,
    logLevel: logLevel.NOTHING,
  })
  const consumer = kafka.consumer({ groupId: output, maxWaitTimeInMs: 100 })
  const isExact = task.guarantee === 'exactly-once'
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    ...(isExact ? { transactionalId: output } : {}),
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  })
  await Promise.all([consumer.connect(), producer.connect()])
  try {
    await consumer.subscribe({ topic: task.input, fromBeginning: true })
    const way = isExact
      ? inTransactions(producer, task.input, output)
      : acknowledged(producer, consumer, task.input)
    return await copyAll({ task, output, consumer, way })
  } finally {
    await Promise.all([consumer.disconnect(), producer.disconnect()])
  }
}

interface CopyOptions {
  readonly task: CopyTask
  readonly output: string
  readonly consumer: Consumer
  readonly way: Way
}

async function copyAll({ task, output, consumer, way }: CopyOptions): Promise<Pass> {
  const meter = new Meter()
  const offsets = new Map<number, string>()
  let copied = 0
  let commits = 0
  let committedMs = performance.now()
  const eachBatch = async ({ batch }: EachBatchPayload) => {
    meter.start()
    const send = await way.send()
    const { partition, messages } = batch
    for (let from = 0; from < messages.length; from += RECORDS_PER_SEND) {
      const some = messages.slice(from, from + RECORDS_PER_SEND)
      await send({
        topic: output,
        messages: some.map(
          ({ key, value, timestamp }): Message => ({ key, value, timestamp, partition }),
        ),
      })
    }
    copied += messages.length
    offsets.set(partition, String(Number(batch.lastOffset()) + 1))
    const isAll = copied >= task.records
    if (!isAll && performance.now() - committedMs < task.intervalMs) return
    committedMs = performance.now()
    await way.commit(offsets)
    offsets.clear()
    commits++
  }
  return new Promise<Pass>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    const eachUntilAll = async (payload: EachBatchPayload) => {
      await eachBatch(payload)
      if (copied >= task.records) resolve(meter.end(copied, commits))
    }
    consumer.run({ autoCommit: false, eachBatch: eachUntilAll }).catch(reject)
  })
}

/** Under at-least-once: every send is acknowledged before the offsets are committed. */
function acknowledged(producer: Producer, consumer: Consumer, topic: string): Way {
  const send: Send = (messages) => producer.send({ ...messages, acks: -1 })
  return {
    send: () => Promise.resolve(send),
    commit: (offsets) =>
      consumer.commitOffsets(
        [...offsets].map(([partition, offset]) => ({ topic, partition, offset })),
      ),
  }
}

/**
 * Under exactly-once: everything since the last commit is in one transaction. kafkajs sends no
 * generation with the offsets.
 */
function inTransactions(producer: Producer, topic: string, consumerGroupId: string): Way {
  let open: Transaction | null = null
  return {
    send: async () => {
      const transaction = (open ??= await producer.transaction())
      return (messages) => transaction.send({ ...messages, acks: -1 })
    },
    commit: async (offsets) => {
      if (open === null) return
      const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset }))
      await open.sendOffsets({ consumerGroupId, topics: [{ topic, partitions }] })
      await open.commit()
      open = null
    },
  }
}

await runPasses(copy)
