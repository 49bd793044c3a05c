import type { StandardSchemaV1 } from '@standard-schema/spec'
import { cloudEvents, registry } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ListedRecords } from '../../src/connect/log-records.ts'
import { Dictionary } from '../../src/engine/store/dictionary.ts'
import type { Format } from '../../src/formats/format.ts'
import { declaredIntegers } from '../../src/formats/json/declared-integers.ts'
import { openFormat } from '../../src/formats/open-format.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { keyOfRow } from '../../src/lookup/rows.ts'
import { RecordDecoder } from '../../src/runtime/partition/record-decoder.ts'
import type { SourceDefinition, TableDefinition } from '../../src/topology/definition.ts'
import { sleeplessClock } from '../support/clocks.ts'
import { HASH } from '../support/hash.ts'
import { source } from './json/source.ts'
import { HandRegistry, wireValue } from './registry/hand-registry.ts'

// An integer beyond ±(2^53 − 1) in JSON loses its last digits: a dead letter where the schema declares an
// integer, and where the key shows it.

const LARGE = '9007199254740993'
const AT = Date.UTC(2026, 0, 1)

type Formatted = Pick<SourceDefinition, 'schema' | 'format'>

interface Given {
  readonly schema: StandardSchemaV1 | Formatted
  /** JSON, with an id. */
  readonly json?: (id: string) => string
  readonly headers?: Readonly<Record<string, string>>
  readonly key?: (event: never) => string
  /** A schema in a registry, under id 1. */
  readonly registered?: object
}

const plain = (id: string) => `{"k":"a","at":${AT},"id":${id}}`
/** Not scanned, because of an escape. */
const escaped = (id: string) => `{"k":"\\u0061","at":${AT},"id":${id}}`

/** The key of the event in a record, or the code of its dead letter. */
async function taken({ schema, key, registered, headers = {}, json = plain }: Given, id: string) {
  const hand = new HandRegistry()
  if (registered !== undefined) hand.add(1, { type: 'json', text: JSON.stringify(registered) })
  const wrapped = registered === undefined ? schema : registry(schema as StandardSchemaV1)
  const own = 'format' in wrapped ? wrapped : { schema: wrapped, format: { is: 'json' } as const }
  const of: SourceDefinition = {
    ...source(own.schema),
    ...own,
    key: (key ?? ((e: { k: string }) => e.k)) as unknown as SourceDefinition['key'],
    eventTimeMs: () => AT,
  }
  const format: Format = await openFormat(of, { wanted: [['k'], ['id']], registry: hand })
  const value = Buffer.from(json(id))
  const record = {
    ...{ offset: 0, timestampMs: AT, key: Buffer.from('k') },
    value: registered === undefined ? value : wireValue(1, value),
    headers: Object.entries(headers).map(([name, text]) => ({ name, value: Buffer.from(text) })),
  }
  const records = new ListedRecords([record])
  await format.prepare(records, { clock: sleeplessClock(), mayGiveUp: true })
  const keyNumbers = new Dictionary(HASH)
  const from = { topic: of.topic, partition: 0 }
  const decoder = new RecordDecoder(of, format, { from, partitions: null, keyNumbers })
  const { batch, faults } = atOnce(decoder.decode(records, new Slices()))
  return faults[0]?.error.code ?? keyNumbers.cellOf(batch.keys[0] as number)
}

const Numbered = z.object({ k: z.string(), id: z.number() })
/** As other libraries declare an integer: 1e300 is one. */
const Integer: StandardSchemaV1 = {
  '~standard': {
    ...{ version: 1, vendor: 'hand', validate: (value: unknown) => ({ value }) },
    jsonSchema: { input: () => ({ properties: { id: { type: ['integer', 'null'] } } }) },
  } as StandardSchemaV1.Props,
}
const INTEGER = { type: 'object', properties: { id: { type: 'integer' } } }
const structured = (id: string) =>
  `{"specversion":"1.0","id":"1","source":"s","type":"t","data":${plain(id)}}`
const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const BINARY = { ce_specversion: '1.0', ce_id: '1', ce_source: 's', ce_type: 't' }
const Open = z.object({ k: z.string() })

describe('in a field that the schema declares an integer', () => {
  test.each<[string, Given, string]>([
    ['zod', { schema: Numbered.extend({ id: z.int() }) }, 'SCHEMA_INVALID'],
    ['another library', { schema: Integer }, 'SCHEMA_INVALID'],
    [
      'a CloudEvent',
      { schema: cloudEvents(Integer), json: structured, headers: STRUCTURED, key: () => 'a' },
      'SCHEMA_INVALID',
    ],
    ['a registry', { schema: Numbered, registered: INTEGER }, 'PAYLOAD_INVALID'],
    [
      'a registry, not scanned',
      { schema: Numbered, registered: INTEGER, json: escaped },
      'PAYLOAD_INVALID',
    ],
    ['a registry, not in the topology', { schema: Open, registered: INTEGER }, 'PAYLOAD_INVALID'],
  ])('%s', async (_, given, code) => {
    for (const id of [LARGE, `-${LARGE}`, '9007199254740992', '1e300']) {
      expect(await taken(given, id)).toBe(code)
    }
    expect(await taken(given, '9007199254740991')).toBe('a')
  })

  test('any other field takes it as JSON does', async () => {
    expect(await taken({ schema: Numbered }, LARGE)).toBe('a')
    const registered = { properties: { id: { type: 'number' }, n: { type: 'integer' } } }
    expect(await taken({ schema: Numbered, registered }, LARGE)).toBe('a')
  })

  test.each<[string, object, unknown, boolean]>([
    ['in a list', { items: { type: 'integer' } }, [1, 2 ** 53], true],
    ['at a place', { prefixItems: [{}, { type: 'integer' }] }, [2 ** 53, 2 ** 53], true],
    ['at another place', { prefixItems: [{}, { type: 'integer' }] }, [2 ** 53, 1], false],
    ['in a map', { additionalProperties: { type: 'integer' } }, { a: 2 ** 53 }, true],
    [
      'one of several',
      { properties: { a: { anyOf: [{ type: 'integer' }, {}] } } },
      { a: 2 ** 53 },
      true,
    ],
    [
      'referred to',
      { properties: { a: { $ref: '#/$defs/id' } }, $defs: { id: { type: 'integer' } } },
      { a: 2 ** 53 },
      true,
    ],
    [
      'in another document',
      { properties: { a: { $ref: 'other#/$defs/id' } } },
      { a: 2 ** 53 },
      true,
    ],
    [
      'within itself',
      { allOf: [{ $ref: '#' }], properties: { a: { $ref: '#' }, n: { type: 'integer' } } },
      { a: { a: { n: 2 ** 53 } } },
      true,
    ],
    [
      'named as what all objects have',
      { properties: { n: { type: 'integer' } } },
      { constructor: 2 ** 53 },
      false,
    ],
  ])('%s', (_, ...[schema, value, isThere]) => {
    const named = new Map([['other', { $defs: { id: { type: 'integer' } } }]])
    expect(declaredIntegers(schema, named)?.(value)).toBe(isThere)
  })
})

describe('in the key', () => {
  const id = (event: { id: unknown }) => `c-${String(event.id)}`
  test.each<[string, Given]>([
    ['of JSON', { schema: Numbered, key: id }],
    ['of JSON, not scanned', { schema: Numbered, key: id, json: escaped }],
    ['of a text that was a number', { schema: z.object({ id: z.coerce.string() }), key: id }],
    [
      'of a CloudEvent',
      {
        schema: cloudEvents(Numbered),
        key: (e: { data: { id: number } }) => id(e.data),
        headers: BINARY,
      },
    ],
    ['of a registry', { schema: Numbered, key: id, registered: { type: 'object' } }],
  ])('%s', async (_, given) => {
    for (const large of [LARGE, `-${LARGE}`, '123456789012345678901234']) {
      expect(await taken(given, large)).toBe('KEY_INVALID')
    }
    expect(await taken(given, '9007199254740991')).toBe('c-9007199254740991')
  })

  test('a text may have as many digits as it likes, also beside such a number', async () => {
    const json = (n: string) => `{"k":"${LARGE}","at":1,"id":${n}}`
    const given = { schema: Numbered, json, key: (e: { k: string }) => `c-${e.k}` }
    expect(await taken(given, LARGE)).toBe(`c-${LARGE}`)
  })

  test('of a row', () => {
    const table = { key: (row: { id: number }) => String(row.id) } as unknown as TableDefinition
    expect(keyOfRow(table, { id: 5 })).toBe('5')
    expect(() => keyOfRow(table, JSON.parse(`{"id":${LARGE}}`))).toThrow('2^53')
  })
})
