import type { LogRecord } from '../connect/port.ts'
import { type ClusterConfig, openRegistry } from '../host/services.ts'

export type ShowRecords = (records: Iterable<LogRecord>) => Promise<Iterable<LogRecord>>

/** Returns what shows values of records: without a registry they stay as they are. */
export async function openShower(config: ClusterConfig): Promise<ShowRecords> {
  const registry = await openRegistry(config)
  if (registry === null) return async (records) => records
  const { valueShower } = await import('../formats/registry/shown-values.ts')
  const show = valueShower(registry)
  return (records) => {
    const shown = Array.from(records, async ({ offset, timestampMs, key, value, headers }) => {
      const text = value === null ? null : await show(value)
      return { offset, timestampMs, key, value: text, headers }
    })
    return Promise.all(shown)
  }
}
