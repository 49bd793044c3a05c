import type { KafkaRecords } from '../../connect/kafka/kafka-records.ts'
import type { KafkaReader, ReadStart } from '../../connect/kafka/reader.ts'
import type { JobReport } from '../report.ts'
import type { ShowRecords } from '../shown-records.ts'
import { ComparedTopic } from './compared-topic.ts'
import { inStep, type PairOptions, Pairs, type Side } from './pairs.ts'

interface CompareJob extends PairOptions {
  readonly records: KafkaRecords
  readonly names: Readonly<Record<Side, string>>
  /** Where the value of a record has its score. */
  readonly fields: Readonly<Record<Side, string>>
  readonly from: ReadStart
  /** Ends after so many pairs. */
  readonly mostPairs: number
  /** Makes the values of records JSON. */
  readonly show: ShowRecords
  readonly report: JobReport
  readonly stop: AbortSignal
}

export interface TopicComparison {
  readonly topics: Readonly<Record<Side, ComparedTopic>>
  readonly pairs: Pairs
}

/** Pairs the outputs that two topics have now for the same events. */
export async function compareTopics(job: CompareJob): Promise<TopicComparison> {
  const { records, names, fields, from, mostPairs, show, report, stop } = job
  const { main, other } = names
  const topics = {
    main: new ComparedTopic(main, fields.main),
    other: new ComparedTopic(other, fields.other),
  }
  const pairs = new Pairs(job)
  const open = (topic: string) => records.read({ topic, from, until: 'end' })
  const readers = { main: await open(main), other: await open(other) }
  stop.addEventListener('abort', () => void closeAll(readers), { once: true })
  if (stop.aborted) await closeAll(readers)
  const endProgress = report.progress(() => topics.main.records + topics.other.records)
  try {
    for await (const { side, chunk } of inStep(readers)) {
      const outputs = await show(chunk.records)
      for (const output of topics[side].scoresOf(outputs)) {
        pairs.add(side, output)
        if (pairs.count >= mostPairs) return { topics, pairs }
      }
    }
    if (stop.aborted) return { topics, pairs }
    topics.main.end()
    topics.other.end()
    pairs.end()
    return { topics, pairs }
  } finally {
    endProgress()
    await closeAll(readers)
  }
}

async function closeAll(readers: Readonly<Record<Side, KafkaReader>>): Promise<void> {
  await Promise.all(Object.values(readers).map((reader) => reader.close()))
}
