import type { LogRecord } from '../connect/port.ts'
import type { ShowValue } from '../formats/registry/shown-values.ts'
import { type ClusterConfig, openRegistry } from '../host/services.ts'

/** `null`: no registry is given, and values are shown as they are. */
export async function openShower(config: ClusterConfig): Promise<ShowValue | null> {
  const registry = await openRegistry(config)
  if (registry === null) return null
  const { valueShower } = await import('../formats/registry/shown-values.ts')
  return valueShower(registry)
}

export async function shownRecords(
  records: Iterable<LogRecord>,
  show: ShowValue | null,
): Promise<Iterable<LogRecord>> {
  if (show === null) return records
  const shown = Array.from(records, async ({ offset, timestampMs, key, value, headers }) => {
    const text = value === null ? null : await show(value)
    return { offset, timestampMs, key, value: text, headers }
  })
  return Promise.all(shown)
}
