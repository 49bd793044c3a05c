import { ListedRecords } from '../../src/connect/log-records.ts'
import type { EngineOptions } from '../../src/engine/engine.ts'
import type { EventBatch } from '../../src/engine/events.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { RecordDecoder } from '../../src/runtime/partition/record-decoder.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { jsonFormatOf } from '../support/format.ts'
import type { Given } from './batch.ts'
import { engineFor } from './engine-for.ts'

/** An engine that reads events from the bytes of records, and a function that makes its batches. */
export function scanningEngine(definition: Definition, o: Partial<EngineOptions> = {}) {
  const format = jsonFormatOf(definition)
  const engine = engineFor(definition, { ...o, reader: format.reader })
  const decoder = new RecordDecoder(definition.source, format, {
    from: { topic: definition.source.topic, partition: 0 },
    partitions: null,
    keyNumbers: engine.keyNumbers,
  })
  const batch = (events: readonly Given[]): EventBatch => {
    const records = events.map(({ key, timeMs, event }, offset) => ({
      ...{ offset, timestampMs: timeMs, key: Buffer.from(key), headers: [] },
      value: Buffer.from(JSON.stringify(event)),
    }))
    return atOnce(decoder.decode(new ListedRecords(records), new Slices(() => 0))).batch
  }
  return { engine, batch }
}
