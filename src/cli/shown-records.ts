import type { ShownValues } from '../formats/registry/shown-values.ts'
import type { LogRecord } from '../records/port.ts'
import { openRegistry, type RegistryConfig } from './registry-options.ts'

/**
 * Converts values that have a schema in the registry to JSON. `null`: no registry is set, and
 * values stay as they are.
 */
export async function shownValues(config: RegistryConfig): Promise<ShownValues | null> {
  const registry = await openRegistry(config)
  if (registry === null) return null
  const { ShownValues } = await import('../formats/registry/shown-values.ts')
  return new ShownValues(registry)
}

/** The same records with their values as JSON. */
export function shownRecords(
  records: Iterable<LogRecord>,
  values: ShownValues,
): Promise<readonly LogRecord[]> {
  return Promise.all(
    Array.from(records, async ({ offset, timestampMs, key, value, headers }) => {
      const shown = value === null ? null : await values.shown(value)
      return { offset, timestampMs, key, value: shown, headers }
    }),
  )
}
