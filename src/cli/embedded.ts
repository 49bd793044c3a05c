import { committingThrough } from '../records/committing-through.ts'
import { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Commit, NewRecords, Records } from '../records/port.ts'
import type { Definition } from '../topology/definition.ts'
import { outputTopics, tableTopics } from '../topology/graph.ts'

/** Records in memory, with every topic that a topology reads or writes. */
export function embeddedRecords(definition: Definition, partitions: number): MemoryRecords {
  const records = new MemoryRecords()
  const topics = [definition.source.topic, ...outputTopics(definition), ...tableTopics(definition)]
  for (const topic of new Set(topics)) records.createTopic(topic, { partitions })
  return records
}

/**
 * Records in memory whose outputs and dead letters go to `publish` instead of to topics. Offsets
 * are committed once `publish` has resolved, so a slow reader causes backpressure on the worker.
 */
export function publishingRecords(
  records: MemoryRecords,
  publish: (commit: Commit) => Promise<void>,
): Records {
  const committing = committingThrough(records, async (commit, member) => {
    await publish(commit)
    await member.commit({ ...commit, outputs: [], deadLetters: [] })
  })
  const send = (outputs: NewRecords) => publish({ outputs, deadLetters: [], nextOffsets: [] })
  return { ...committing, writer: () => ({ send, close: async () => {} }) }
}
