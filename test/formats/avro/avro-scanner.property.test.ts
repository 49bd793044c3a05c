import type { Schema } from 'avsc'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ABSENT, NULL, ScannedColumns } from '../../../src/columns/columns.ts'
import { compileAvroScan } from '../../../src/formats/avro/avro-scanner.ts'
import { avroType } from '../../../src/formats/avro/avro-type.ts'
import { boundOf } from '../../../src/formats/json/bound.ts'
import type { PlainObject } from '../../../src/formats/json/plain.ts'
import { plainOf } from '../../../src/formats/json/zod-schema.ts'
import { Memory } from '../../../src/kernel/bytes.ts'
import { runs } from '../../support/runs.ts'
import { avroCheck } from './avro-check.ts'

// Whatever is scanned is what avsc and the schema make of it.

const Order = z.object({
  id: z.string().min(1).max(6),
  kind: z.enum(['web', 'shop', 'é✈']),
  total: z.number().min(-5).lt(1e6).nullable(),
  count: z.number().int().positive().multipleOf(2),
  paidAt: z.int(),
  sentAt: z.int(),
  isPaid: z.boolean(),
  isOpen: z.literal(true),
  note: z.string().optional(),
  card: z.object({ country: z.string(), share: z.number() }).nullable(),
})
const WANTED = [
  ...['id', 'kind', 'total', 'count', 'paidAt', 'sentAt', 'isPaid', 'isOpen', 'note'].map(
    (name) => [name],
  ),
  ['card', 'country'],
  ['card', 'share'],
]
const AVRO: Schema = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'dropped', type: { type: 'map', values: ['null', 'string'] } },
    { name: 'paidAt', type: 'long' },
    { name: 'comment', type: 'string' },
    { name: 'sentAt', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'spare', type: 'int' },
    { name: 'isNew', type: 'boolean' },
    { name: 'seenAt', type: { type: 'long', logicalType: 'timestamp-nanos' } },
    { name: 'id', type: 'string' },
    { name: 'total', type: ['null', 'double'] },
    { name: 'kind', type: 'string' },
    { name: 'raw', type: 'bytes' },
    { name: 'count', type: 'int' },
    { name: 'isPaid', type: 'boolean' },
    { name: 'isOpen', type: 'boolean' },
    {
      name: 'card',
      type: [
        {
          type: 'record',
          name: 'Card',
          fields: [
            { name: 'share', type: 'float' },
            { name: 'country', type: 'string' },
          ],
        },
        'null',
      ],
    },
    { name: 'tags', type: { type: 'array', items: 'string' } },
  ],
}
const type = avroType({ text: JSON.stringify(AVRO), references: [] })
const check = avroCheck(type)
const plain = plainOf(Order) as PlainObject
const { columns: forms } = boundOf(plain, WANTED)
const scan = compileAvroScan(type, plain, forms)

/** The event that avsc and the schema make; `null`: they refuse the value. */
function decoded(value: Buffer): z.infer<typeof Order> | null {
  if (check(value) !== null) return null
  try {
    return Order.safeParse(type.fromBuffer(value)).data ?? null
  } catch {
    return null
  }
}

/** The fields that are scanned, by path; `null`: the value is not accepted. */
function scanned(value: Buffer): Record<string, unknown> | null {
  const bytes = Buffer.concat([Buffer.alloc(3, 0x22), value, Buffer.alloc(16, 0x22)])
  const memory = new Memory(bytes.buffer)
  const from = bytes.byteOffset + 3
  const columns = new ScannedColumns(forms, 4)
  const row = 2
  if (scan?.({ memory, from, to: from + value.length }, columns, row) !== true) return null
  return Object.fromEntries(
    forms.map(({ path, type: of }, c) => {
      const cell = c * columns.capacity + row
      const [start = 0, end = 0] = [columns.starts[cell], columns.ends[cell]]
      const number = columns.numbers[cell]
      const state = columns.states[cell]
      const values = { text: memory.text(start, end), number, boolean: number === 1 }
      return [path.join('.'), state === NULL ? null : state === ABSENT ? undefined : values[of]]
    }),
  )
}

function fieldsOf(event: z.infer<typeof Order>): Record<string, unknown> {
  const at = (path: readonly string[]) =>
    path.reduce<unknown>((of, name) => (of as Record<string, unknown>)[name], event)
  return Object.fromEntries(WANTED.map((path) => [path.join('.'), at(path)]))
}

const texts = fc.constantFrom('', 'a', 'Zürich', '東京', '✈😀', 'a"b', 'x\\', 'p-000001', 'tab\t')
const orders = fc.record({
  dropped: fc.dictionary(texts, fc.option(texts), { maxKeys: 3 }),
  paidAt: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 52), max: 2 ** 53 - 2 })),
  comment: texts,
  sentAt: fc.integer({ min: -(2 ** 42), max: 2 ** 42 }),
  spare: fc.integer(),
  isNew: fc.boolean(),
  seenAt: fc.integer({ min: -(2 ** 42), max: 2 ** 42 }),
  id: fc.oneof(texts, fc.constantFrom('o-1', 'o-22')),
  total: fc.option(fc.oneof(fc.double(), fc.constantFrom(12.5, -5, 1e6))),
  kind: fc.constantFrom('web', 'shop', 'é✈', 'we', 'webs'),
  raw: fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
  count: fc.constantFrom(2, 4, 3, -2, 1_000_000),
  isPaid: fc.boolean(),
  isOpen: fc.constantFrom(true, true, true, false),
  card: fc.option(fc.record({ share: fc.constantFrom(0.5, 0.1), country: texts })),
  tags: fc.array(texts, { maxLength: 3 }),
})

test('every wanted field of the schema has a column', () => {
  expect(scan).not.toBeNull()
  expect(forms.map(({ path }) => path)).toEqual(WANTED)
})

test('what is scanned is what avsc and the schema make of it', () => {
  let [valid, accepted] = [0, 0]
  const damage = fc.option(fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 3 })), {
    freq: 2,
  })
  fc.assert(
    fc.property(orders, damage, (order, put) => {
      const value = type.toBuffer(order)
      if (put !== null) value.set(put[1].subarray(0, value.length), put[0] % (value.length - 3))
      const [event, fields] = [decoded(value), scanned(value)]
      if (event !== null) valid++
      if (fields === null) return
      accepted++
      expect(event).not.toBeNull()
      expect(fields).toEqual(fieldsOf(event as z.infer<typeof Order>))
    }),
    { numRuns: runs(20_000) },
  )
  // Orders with a null card, or a text that JSON would escape, are left to avsc.
  expect(accepted).toBeGreaterThan(0.2 * valid)
  expect(valid).toBeGreaterThan(runs(1_000))
})

test('a value that is cut off is never scanned', () => {
  fc.assert(
    fc.property(orders, (order) => {
      const value = type.toBuffer(order)
      for (let end = 0; end < value.length; end++) {
        expect(scanned(Buffer.from(value.subarray(0, end)))).toBeNull()
      }
    }),
    { numRuns: runs(200) },
  )
})

test.each([
  ['a field that it must have is not in the Avro schema', z.object({ other: z.string() })],
  ['it may change a value', z.object({ id: z.string().trim() })],
  ['a field is of another type', z.object({ id: z.number() })],
])('values are not scanned where, by the schema, %s', (_, schema) => {
  const other = plainOf(schema) as PlainObject
  expect(compileAvroScan(type, other, [])).toBeNull()
})
