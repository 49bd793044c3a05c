import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  ABSENT,
  type FieldPath,
  NULL,
  PRESENT,
  ScannedColumns,
} from '../../../src/columns/columns.ts'
import { compileLayout, recordLayoutOf } from '../../../src/formats/json/layout.ts'
import { Scanner } from '../../../src/formats/json/scanner.ts'
import { Walker } from '../../../src/formats/json/walker.ts'
import { jsonFormat } from '../../../src/formats/json-format.ts'
import { Memory } from '../../../src/kernel/bytes.ts'
import { Payment } from '../../../topologies/payment.ts'
import { withoutGeneration } from '../../support/without-generation.ts'
import { boundIn } from './both-ways.ts'
import { source } from './source.ts'

const Sale = z.object({
  shop: z.string(),
  amount: z.number().nullable(),
  card: z.object({ country: z.string() }).optional(),
})
const SHOP_AND_AMOUNT = [['shop'], ['amount']]

function scannerOf(schema: z.ZodType, wanted: readonly FieldPath[]): Scanner {
  return new Scanner(boundIn({ schema, wanted }))
}

/** Scans a text that stands alone in its bytes, but for room behind. */
function scans(scanner: Scanner, text: string, into = columnsOf(scanner)): boolean {
  const { buffer, length } = new TextEncoder().encode(`${text}        `)
  return scanner.scan({ memory: new Memory(buffer), from: 0, to: length - 8 }, into, 0)
}

function columnsOf({ forms }: Scanner, capacity = 1): ScannedColumns {
  return new ScannedColumns(forms, capacity)
}

describe('columns', () => {
  test('say where a value lies in memory that others share', () => {
    const scanner = scannerOf(Sale, [...SHOP_AND_AMOUNT, ['card', 'country']])
    const { buffer, length } = new TextEncoder().encode(
      '??{"shop":"Zürich","amount":-1.50}????????',
    )
    const memory = new Memory(buffer)
    const columns = columnsOf(scanner, 4)
    const { states, numbers, starts, ends } = columns
    expect(scanner.forms.map(({ type }) => type)).toEqual(['text', 'number', 'text'])
    // The first is walked, the second has a layout.
    for (const row of [3, 1]) {
      expect(scanner.scan({ memory, from: 2, to: length - 8 }, columns, row)).toBe(true)
      const token = (cell: number) => memory.text(starts[cell] as number, ends[cell] as number)
      const [shop, amount, country] = [row, 4 + row, 8 + row] as const
      expect([states[shop], token(shop)]).toEqual([PRESENT, 'Zürich'])
      expect([states[amount], numbers[amount], token(amount)]).toEqual([PRESENT, -1.5, '-1.50'])
      expect(states[country]).toBe(ABSENT)
    }
  })

  test('of a row have nothing of the record that was in it before', () => {
    const scanner = scannerOf(Sale, [['amount'], ['card', 'country']])
    const columns = columnsOf(scanner)
    expect(scans(scanner, '{"shop":"a","amount":1,"card":{"country":"CH"}}', columns)).toBe(true)
    expect(scans(scanner, '{"shop":"a","amount":null}', columns)).toBe(true)
    expect([...columns.states]).toEqual([NULL, ABSENT])
  })

  test.each<[string, FieldPath]>([
    ['no field', ['shops']],
    ['an object', ['card']],
    ['of two types', ['level']],
    ['an object in some records', ['who', 'is']],
    ['one that the schema may change', ['name']],
  ])('are not made of what is %s', (_, path) => {
    const schema = Sale.extend({
      level: z.literal(['high', 3]),
      name: z.string().trim().optional(),
      who: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('person'), is: z.string() }),
        z.object({ kind: z.literal('firm'), is: z.object({ name: z.string() }) }),
      ]),
    })
    const scanner = scannerOf(schema, [['shop'], path, ['amount']])
    expect(scanner.forms.map((form) => form.path)).toEqual(SHOP_AND_AMOUNT)
  })

  test('tell what an event may lack, and what lies in what it may lack', () => {
    const schema = z.object({
      id: z.string(),
      tip: z.number().optional(),
      shop: z.object({ city: z.string(), zip: z.string().optional() }),
      card: z.object({ country: z.string() }).nullable(),
    })
    const wanted = [['id'], ['tip'], ['shop', 'city'], ['shop', 'zip'], ['card', 'country']]
    const { forms } = scannerOf(schema, wanted)
    expect(forms.map((f) => [f.isOptional, f.isWithinOptional])).toEqual([
      [false, false],
      [true, false],
      [false, false],
      [true, false],
      [false, true],
    ])
  })

  test('tell what only some of several sorts of object have', () => {
    const cash = z.object({ how: z.literal('cash'), change: z.number() })
    const card = z.object({ how: z.literal('card'), card: z.object({ bank: z.string() }) })
    const schema = z.object({
      before: z.object({ city: z.string() }),
      paid: z.discriminatedUnion('how', [cash, card]),
      behind: z.string(),
    })
    const of = [['how'], ['change'], ['card', 'bank']].map((path) => ['paid', ...path])
    const { forms } = scannerOf(schema, [['before', 'city'], ...of, ['behind']])
    expect(forms.map((f) => [f.isOptional, f.isWithinOptional])).toEqual([
      [false, false],
      [true, false],
      [true, false],
      [true, true],
      [false, false],
    ])
  })

  test('tell what lies in one of several sorts of object that may be null', () => {
    const sort = z.object({ how: z.literal('cash') })
    const schema = z.object({ paid: z.discriminatedUnion('how', [sort]).nullable() })
    const { forms } = scannerOf(schema, [['paid', 'how']])
    expect(forms).toMatchObject([{ isWithinOptional: true }])
  })

  test('are not made of a schema that cannot be read', () => {
    const whyMade = (schema: z.ZodType) => jsonFormat(source(schema), []).whyMade
    expect(whyMade(z.string())).toBe('its values are not objects')
    const refined = z.object({ a: z.int() }).refine(() => true)
    expect(whyMade(refined)).toBe('checks of object')
  })
})

describe('a record is left to the parser when it', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const objectOf = (fields: number) =>
    `{${Array(fields)
      .fill(0)
      .map((_, n) => `"f${n}":1`)
      .join()}}`
  test.each([
    ['has as many bytes as is allowed, and one more', `{"shop":"a","amount":1}`.padEnd(1_048_577)],
    ['is too deep', `{"shop":"a","amount":1,"x":${nested(32)}}`],
    ['has too many fields', `{"shop":"a","amount":1,"x":${objectOf(254)}}`],
    ['has a field twice', '{"shop":"a","amount":1,"amount":1}'],
    ['has one twice and lacks another', '{"shop":"a","shop":"a"}'],
    ['names the prototype', '{"shop":"a","amount":1,"__proto__":1}'],
    ['names it further in', '{"shop":"a","amount":1,"x":{"__proto__":1}}'],
    ['has an escape', '{"shop":"a\\n","amount":1}'],
    ['has an escape in a name', '{"shop":"a","am\\u006funt":1}'],
    ['begins with a byte order mark', '\ufeff{"shop":"a","amount":1}'],
    ['has an infinite number', '{"shop":"a","amount":1e999}'],
    ['lacks a field', '{"shop":"a"}'],
    ['is null', 'null'],
    ['is empty', ''],
  ])('%s', (_, text) => {
    expect(scans(scannerOf(Sale, SHOP_AND_AMOUNT), text)).toBe(false)
  })

  test('not before the limits', () => {
    const scanner = scannerOf(Sale, SHOP_AND_AMOUNT)
    expect(scans(scanner, '{"shop":"a","amount":1}'.padEnd(1_048_576))).toBe(true)
    expect(scans(scanner, `{"shop":"a","amount":1,"x":${nested(31)}}`)).toBe(true)
    expect(scans(scanner, `{"shop":"a","amount":1,"x":${objectOf(253)}}`)).toBe(true)
  })
})

describe('a layout', () => {
  /** A function made from the first record, and what it says of the others. */
  function says(first: string, others: readonly string[]): boolean[] {
    const bound = boundIn({ schema: Sale, wanted: SHOP_AND_AMOUNT })
    const columns = new ScannedColumns(bound.columns, 1)
    const walker = new Walker(bound)
    const learnt = new TextEncoder().encode(first)
    const memory = new Memory(learnt.buffer)
    expect(walker.walk({ memory, from: 0, to: learnt.length }, columns, 0)).toBe(true)
    const layout = recordLayoutOf(learnt, { from: 0, to: learnt.length }, walker.trace)
    if (layout === null) return []
    const scan = compileLayout(layout, bound.columns.length)
    return others.map((text) => {
      const { buffer, length } = new TextEncoder().encode(`${text}        `)
      const place = { memory: new Memory(buffer), from: 0, to: length - 8 }
      return scan(place, columns, 0)
    })
  }

  test('is for records that differ in their values alone', () => {
    const others = [
      '{"shop": "", "x": 1, "amount": null}',
      '{"shop": "Zürich", "x": "y", "amount": 1e3}',
      '{"shop":"a","x":1,"amount":1}',
      '{"shop": "a", "amount": 1, "x": 1}',
      '{"shop": "a", "x": 1, "amount": 1}}',
    ]
    const first = '{"shop": "a", "x": null, "amount": 7}'
    expect(says(first, others)).toEqual([true, true, false, false, false])
  })

  test('is none of a record with lists, or with very many fields', () => {
    const many = Array.from({ length: 100 }, (_, n) => `"x${n}":${n}`).join()
    expect(says('{"shop":"a","amount":7,"x":[1]}', [''])).toEqual([])
    expect(says(`{"shop":"a","amount":7,${many}}`, [''])).toEqual([])
    expect(says(`{"shop":"a","amount":7,"${'x'.repeat(5_000)}":1}`, [''])).toEqual([])
  })

  test('of many takes turns, and every record is scanned', () => {
    const scanner = scannerOf(Sale, SHOP_AND_AMOUNT)
    const columns = columnsOf(scanner)
    let right = 0
    for (let n = 0; n < 20_000; n++) {
      const text = `{"x${Math.floor(n / 2_000)}${n % 3}":1,"shop":"a","amount":${n}}`
      if (scans(scanner, text, columns) && columns.numbers[1] === n) right++
    }
    expect(right).toBe(20_000)
  })
})

test('without code generation a record is scanned as well', () => {
  const script = `
    import { Payment } from './topologies/payment.ts'
    import { boundOf } from './src/formats/json/bound.ts'
    import { Scanner } from './src/formats/json/scanner.ts'
    import { plainOf } from './src/formats/json/zod-schema.ts'
    import { Memory } from './src/kernel/bytes.ts'
    import { ScannedColumns } from './src/columns/columns.ts'
    const scanner = new Scanner(boundOf(plainOf(Payment), [['amount']]))
    const payment = ${JSON.stringify(Payment.parse(payment()))}
    const { buffer, length } = new TextEncoder().encode(JSON.stringify(payment) + ' '.repeat(8))
    const place = { memory: new Memory(buffer), from: 0, to: length - 8 }
    const columns = new ScannedColumns(scanner.forms, 1)
    const row = () => [scanner.scan(place, columns, 0), columns.numbers[0]]
    console.log(JSON.stringify([...row(), ...row()]))`
  expect(withoutGeneration(script)).toEqual([true, 12.5, true, 12.5])
})

function payment() {
  return {
    ...{ paymentId: 'p-1', cardId: 'c-1', merchantId: 'm-1', category: 'fuel', country: 'CH' },
    ...{ amount: 12.5, paidAt: 1_767_225_600_000 },
  }
}
