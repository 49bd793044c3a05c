import type { LogRecord } from '../../src/connect/port.ts'

/** A header as text; `undefined`: the record has no header of that name. */
export function headerOf(record: Pick<LogRecord, 'headers'>, name: string): string | undefined {
  return record.headers.find((h) => h.name === name)?.value.toString()
}
