import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import type { FormatSource, RawRecord } from '../../../src/formats/format.ts'
import { recordDecoder } from '../../../src/formats/open-format.ts'
import type { SourceDefinition } from '../../../src/topology/definition.ts'

export const anything = z.unknown()

/** A source whose events have a `key` and a time `at`. */
export function source(schema: StandardSchemaV1): SourceDefinition {
  return {
    topic: 'payments',
    format: { is: 'json' },
    schema,
    key: (event) => (event as { key: string }).key,
    eventTimeMs: (event) => (event as { at: number }).at,
    watermark: { lagMs: 0, idleAfterMs: null, maxAheadMs: 'none' },
    onLate: 'dead-letter',
    onTombstone: 'dead-letter',
    partitioner: null,
    keyMismatch: 'warn',
  }
}

export function decoded(schema: StandardSchemaV1, value: string): unknown {
  return jsonEvent(source(schema), {
    key: Buffer.from('c-1'),
    value: Buffer.from(value),
  })
}

/** The event in a record of JSON, checked by the schema of the source. */
export function jsonEvent(of: FormatSource, record: Pick<RawRecord, 'key' | 'value'>): unknown {
  const whole = { offset: 0, timestampMs: 0, headers: [], ...record }
  return recordDecoder(of)(whole, { topic: of.topic, partition: 0 })
}
