import type { LogRecord } from '../records/port.ts'
import { reasonOf } from '../runtime/dead-letter.ts'
import { ID_HEADER } from '../runtime/provenance.ts'

/** A record that a topology wrote. */
interface RecordView {
  readonly key: string | null
  readonly partition: number
  readonly timestampMs: number
  readonly headers: Readonly<Record<string, string>>
}

/** An output of a topology. */
export interface Output<V> extends RecordView {
  readonly value: V
  /** Its `tidemark-id`. After a crash an output may come twice, with one id. */
  readonly id: string
}

/** A record that was set aside, unchanged, and the reason. */
export interface DeadLetter extends RecordView {
  readonly value: Buffer | null
  readonly code: string
  readonly step: string
  readonly message: string
  /** The record's position in the source. */
  readonly source: { readonly partition: number; readonly offset: number }
}

/** A record and its partition. */
export interface Placed {
  readonly partition: number
  readonly record: LogRecord
}

/** Parses a record of an output topic. */
export function outputOf<V>(placed: Placed): Output<V> {
  const written = writtenOf(placed)
  const value = JSON.parse(String(placed.record.value)) as V
  return { ...written, value, id: written.headers[ID_HEADER] ?? '' }
}

/** Reads a record of the dead-letter topic. */
export function deadLetterOf(placed: Placed): DeadLetter {
  const { value, headers } = placed.record
  const { at, ...reason } = reasonOf(headers)
  return { ...writtenOf(placed), value, ...reason, source: at }
}

/** Outputs without repeated ids, as a consumer that deduplicates sees them. */
export function deduplicate<V>(outputs: readonly Output<V>[]): Output<V>[] {
  const first = new Map<string, Output<V>>()
  for (const output of outputs) if (!first.has(output.id)) first.set(output.id, output)
  return [...first.values()]
}

function writtenOf({ partition, record }: Placed): RecordView {
  return {
    key: record.key?.toString() ?? null,
    partition,
    timestampMs: record.timestampMs,
    headers: Object.fromEntries(record.headers.map((h) => [h.name, h.value.toString()])),
  }
}
