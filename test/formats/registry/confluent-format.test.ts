import avro, { type Schema } from 'avsc'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { Format } from '../../../src/formats/format.ts'
import { confluentFormat } from '../../../src/formats/registry/confluent-format.ts'
import { Slices } from '../../../src/kernel/slices.ts'
import { type RegistryFormatOptions, registry } from '../../../src/topology/source.ts'
import { sleeplessClock } from '../../support/clocks.ts'
import { thrownBy } from '../../support/thrown.ts'
import { source } from '../json/source.ts'
import { HandRegistry, wireValue } from './hand-registry.ts'

const Event = z.looseObject({ key: z.string(), at: z.number() })
const SCHEMA = {
  type: 'record',
  name: 'Event',
  namespace: 'shop',
  fields: [
    { name: 'key', type: 'string' },
    { name: 'at', type: 'long' },
  ],
}
const LIVE = { clock: sleeplessClock(), mayGiveUp: true }
const type = avro.Type.forSchema(SCHEMA as Schema)
const inAvro = (at: number) => type.toBuffer({ key: 'k', at })
const inJson = (at: number) => Buffer.from(JSON.stringify({ key: 'k', at }))

/** A format over a registry with schema 1 in Avro and schema 2 in JSON. */
function formatOf(options: RegistryFormatOptions = {}) {
  const hand = new HandRegistry()
  hand.add(1, { type: 'avro', text: JSON.stringify(SCHEMA) })
  hand.add(2, { type: 'json', text: '{"title":"Said","type":"object"}' })
  hand.add(3, { type: 'avro', text: 'no schema' })
  const { schema, format } = registry(Event, options)
  const of = format as Extract<typeof format, { is: 'registry' }>
  return {
    hand,
    format: confluentFormat(source(schema), of, { registry: hand, wanted: [['key'], ['at']] }),
  }
}

function records(...values: (Buffer | null)[]) {
  const key = Buffer.from('k')
  return new ListedRecords(
    values.map((value, offset) => ({ offset, timestampMs: 0, key, value, headers: [] })),
  )
}

async function decoded(format: Format, all: ListedRecords) {
  await format.prepare(all, LIVE)
  const slices = new Slices(() => 0)
  const decoding = format.decode(
    { from: { topic: 'payments', partition: 0 }, records: all },
    slices,
  )
  let step = decoding.next()
  while (step.done !== true) step = decoding.next()
  const { events, records: of, faults } = step.value
  return {
    events: of.map((_, i) => ({ ...(events.at(i) as object) })),
    of,
    faults: faults.map(({ record, error }) => [record, error.code]),
  }
}

test('each value is decoded with the schema that it was written with', async () => {
  const { format } = formatOf()
  const all = records(wireValue(1, inAvro(5)), wireValue(2, inJson(6)))
  expect(await decoded(format, all)).toEqual({
    events: [
      { key: 'k', at: 5 },
      { key: 'k', at: 6 },
    ],
    of: [0, 1],
    faults: [],
  })
})

test('a bad value is a fault of its own; its neighbours are events', async () => {
  const { format } = formatOf()
  const all = records(
    inJson(1),
    wireValue(1, inAvro(2)),
    null,
    wireValue(1, Buffer.of(1)),
    wireValue(3, inAvro(3)),
    wireValue(2, Buffer.from('{')),
    wireValue(2, Buffer.from('{"key":1}')),
    wireValue(2, inJson(4)),
  )
  const { events, faults } = await decoded(format, all)
  expect(events.map((event) => (event as { at?: number }).at)).toEqual([2, 4])
  expect(faults).toEqual([
    [0, 'SCHEMA_ID_MISSING'],
    [2, 'TOMBSTONE'],
    [3, 'PAYLOAD_INVALID'],
    [4, 'SCHEMA_UNUSABLE'],
    [5, 'JSON_INVALID'],
    [6, 'SCHEMA_INVALID'],
  ])
})

test('the full name of its type can be a field of the event', async () => {
  const { format } = formatOf({ typeField: 'type' })
  const all = records(wireValue(1, inAvro(5)), wireValue(2, inJson(6)))
  const { events } = await decoded(format, all)
  expect(events).toMatchObject([{ type: 'shop.Event' }, { type: 'Said' }])
})

test('a schema is fetched once, however many records and chunks need it', async () => {
  const { format, hand } = formatOf()
  const chunk = () =>
    records(wireValue(1, inAvro(1)), wireValue(2, inJson(1)), wireValue(1, inAvro(2)))
  await Promise.all([format.prepare(chunk(), LIVE), format.prepare(chunk(), LIVE)])
  expect(hand.asked).toEqual([1, 2])
  expect(format.prepare(chunk(), LIVE)).toBeNull()
})

test.each([
  ['is down', (hand: HandRegistry) => (hand.isDown = true)],
  ['does not have the schema yet', () => {}],
])('while the registry %s, records wait; then they are decoded', async (_, hinder) => {
  const { format, hand } = formatOf()
  hinder(hand)
  const all = records(wireValue(4, inAvro(1)))
  const fault = await thrownBy(format.prepare(all, LIVE) as Promise<void>)
  expect(fault).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', action: 'retry' })
  hand.isDown = false
  hand.add(4, { type: 'avro', text: JSON.stringify(SCHEMA) })
  expect((await decoded(format, all)).faults).toEqual([])
})
