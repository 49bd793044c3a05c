import type { Commit, RecordSink } from '../../connect/port.ts'
import { WrittenRecords } from '../../connect/written-records.ts'

/**
 * Writes the outputs of sinks outside the log, one system after the other, in the order of the
 * table of connectors (rule C12).
 * @param sinks by the name of a sink
 * @returns the commit of the other outputs and of the offsets, which comes after them
 */
export async function writeOutside(
  commit: Commit,
  sinks: ReadonlyMap<string, RecordSink> = new Map(),
): Promise<Commit> {
  if (sinks.size === 0) return commit
  const outputs = WrittenRecords.of(commit.outputs)
  const inLog = new WrittenRecords(outputs.length)
  const outside = new Map([...sinks.values()].map((sink) => [sink, new WrittenRecords(0)]))
  for (let i = 0; i < outputs.length; i++) {
    const sink = sinks.get(outputs.topic(i))
    const to = sink === undefined ? inLog : (outside.get(sink) as WrittenRecords)
    to.addFrom(outputs, i)
  }
  if (inLog.length === outputs.length) return commit
  for (const [sink, records] of outside) if (records.length > 0) await sink.write(records)
  return { ...commit, outputs: inLog }
}
