import type { Readable } from 'node:stream'
import { blocksOf, unreadable } from '../connect/files/lines.ts'
import type { Header } from '../connect/port.ts'
import type { PreparedTopology } from '../runtime/prepared.ts'
import { LinePartitioner } from './lines/line-partitioner.ts'
import { LinePlaces, type LinesJob, runLines, topicsInMemory } from './run-job.ts'
import { feedTables } from './table-rows.ts'

interface StreamJob extends Omit<LinesJob, 'lines' | 'topics' | 'places'> {
  /** Lines as they come: VALUE, or KEY, a tab and VALUE. */
  readonly stream: Readable
  /** Headers of each line. @default none */
  readonly headers?: readonly Header[]
  /** Files with rows, by table. @default the tables are empty */
  readonly tables?: ReadonlyMap<string, string>
  /** Learns the number of each line. @default nobody asks for them */
  readonly places?: LinePlaces
}

/** Runs a topology over the lines of a stream, to its end. @returns, @throws as {@link runLines} */
export async function runStream({ stream, headers = [], tables, ...job }: StreamJob) {
  const { partitions, prepared, places = new LinePlaces() } = job
  const [{ definition }] = prepared.topologies as [PreparedTopology]
  const topics = topicsInMemory(definition, partitions)
  await feedTables(definition, tables ?? new Map(), topics)
  const shared = () => ({ headers, timestampMs: Date.now() })
  const how = { partitions, fields: [], files: [], shared }
  const partitioner = await LinePartitioner.open(definition.source, how)
  const lines = partitioner.partitioned(numbered(stream))
  const endLines = () => void stream.destroy()
  return runLines({ ...job, topics, places, lines, isLive: true, endLines })
}

/** @throws TidemarkError `CONFIG_INVALID`: the stream failed */
async function* numbered(stream: Readable) {
  try {
    for await (const { numbers, ...block } of blocksOf(stream, true)) {
      yield { ...block, places: numbers }
    }
  } catch (error) {
    if (stream.destroyed && stream.errored === null) return
    throw unreadable(error)
  }
}
