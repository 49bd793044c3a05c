import type { NewRecord, NewRecords } from '../../src/connect/port.ts'

/** Records to be written as plain objects, for comparison. */
export function plainRecords(records: NewRecords): NewRecord[] {
  return Array.from(records, ({ topic, partition, key, value, timestampMs, headers }) => {
    return { topic, partition, key, value, timestampMs, headers }
  })
}
