import { z } from 'zod'
import { Payment } from '../../../topologies/payment.ts'

// Records of several schemas, valid ones and such as a bad producer or a bad wire makes of them;
// the same for the same numbers.

export type Random = () => number

export interface Kind {
  readonly name: string
  readonly schema: z.ZodType
  readonly wanted: readonly (readonly string[])[]
  readonly record: (random: Random) => object
  /** The least share of its events that is scanned; the others have an opaque field. */
  readonly share: number
}

const Departed = z.object({
  kind: z.literal('departed'),
  at: z.int(),
  tailnum: z.string().nullable(),
  delay: z.number(),
  note: z.string().optional(),
})
const Landed = z.object({ kind: z.enum(['landed', 'diverted']), at: z.int(), lost: z.number() })
const Flight = z.discriminatedUnion('kind', [Departed, Landed])

const Order = z.object({
  id: z.string().min(1).max(6),
  café: z.string().length(4).optional(),
  total: z.number().min(-5).lt(1e6).nullable(),
  count: z.number().int().positive().multipleOf(2),
  place: z.uint32(),
  isPaid: z.boolean(),
  channel: z.enum(['web', 'shop', 'é✈']),
  level: z.literal([1, 2, 3.5, null]),
  card: z.object({ country: z.string(), isDebit: z.boolean().optional() }).nullable(),
  from: z.object({ at: z.object({ x: z.number() }).optional() }).readonly(),
  mail: z.email().optional(),
})

const Reading = z.object({
  at: z.iso.datetime({ offset: true }),
  utc: z.iso.datetime(),
  local: z.iso.datetime({ local: true, offset: true }).nullable(),
  value: z.coerce.number(),
  unit: z.coerce.string(),
  isOn: z.coerce.boolean().optional(),
})

const pick = <T>(random: Random, from: readonly T[]) =>
  from[Math.floor(random() * from.length)] as T
const TEXTS = [
  '',
  'a',
  'c-000417',
  'Zürich',
  '東京',
  '✈😀',
  'a/b',
  'x\u007f\u2028',
  'p-000000001',
  'é✈',
]
const text = (random: Random) => pick(random, TEXTS)
const int = (random: Random) => Math.floor(random() * 10 ** Math.floor(random() * 17))
const decimal = (random: Random) =>
  Number(((random() - 0.3) * 10 ** Math.floor(random() * 9)).toFixed(Math.floor(random() * 12)))

const TIMES = [
  ...['2026-03-01T09:30:00Z', '2026-03-01T09:30:00.5Z', '2024-02-29T23:59:59.123456789Z'],
  ...['2026-03-01T09:30:00+02:00', '2026-03-01T09:30:00.25-09:30', '2026-03-01T09:30:00-00:00'],
]
const ODD_TIMES = [
  ...['2026-02-29T09:30:00Z', '2026-03-01T09:30Z', '2026-03-01 09:30:00Z', '2026-03-01T24:00:00Z'],
  ...['2026-03-01T09:30:60Z', '2026-03-01t09:30:00z', '2026-03-01T09:30:00', '2026-03-01'],
  ...['2026-03-01T09:30:00+24:00', '2026-03-01T09:30:00+0200', '0000-01-01T00:00:00Z', ''],
]
const time = (random: Random) => pick(random, random() < 0.97 ? TIMES : ODD_TIMES)
const utc = (random: Random) => (random() < 0.97 ? pick(random, TIMES.slice(0, 3)) : time(random))

export const KINDS: readonly Kind[] = [
  {
    name: 'a reading with times and coerced fields',
    share: 0.5,
    schema: Reading,
    wanted: Object.keys(Reading.shape).map((name) => [name]),
    record: (r) => ({
      at: time(r),
      utc: utc(r),
      local: r() < 0.2 ? null : time(r),
      value: r() < 0.95 ? decimal(r) : pick(r, ['1.5', '', true, null]),
      unit: r() < 0.95 ? text(r) : pick(r, [1.5, null, false]),
      ...(r() < 0.5 ? { isOn: r() < 0.9 ? r() < 0.5 : pick(r, ['false', 0, null]) } : {}),
    }),
  },
  {
    name: 'a payment',
    share: 0.999,
    schema: Payment,
    wanted: Object.keys(Payment.shape).map((name) => [name]),
    record: (r) => ({
      paymentId: text(r),
      cardId: text(r),
      merchantId: text(r),
      category: text(r),
      country: text(r),
      amount: decimal(r),
      paidAt: int(r),
    }),
  },
  {
    name: 'one of two flights',
    share: 0.999,
    schema: Flight,
    wanted: [['kind'], ['at'], ['tailnum'], ['delay'], ['lost'], ['note']],
    record: (r) =>
      r() < 0.5
        ? {
            kind: 'departed',
            at: int(r),
            tailnum: r() < 0.3 ? null : text(r),
            delay: decimal(r),
            ...(r() < 0.3 ? { note: text(r) } : {}),
          }
        : { kind: pick(r, ['landed', 'diverted']), at: int(r), lost: decimal(r) },
  },
  {
    name: 'an order with all there is',
    share: 0.8,
    schema: Order,
    wanted: [
      ...[['id'], ['café'], ['total'], ['count'], ['isPaid'], ['channel'], ['level']],
      ...[
        ['card', 'country'],
        ['card', 'isDebit'],
        ['from', 'at', 'x'],
      ],
    ],
    record: (r) => ({
      id: r() < 0.05 ? text(r) : pick(r, ['a', 'o-17', 'Zürich', '😀😀😀']),
      ...(r() < 0.3 ? { café: pick(r, ['1234', 'é✈ab', 'ab12', '😀😀😀😀', '😀😀']) } : {}),
      total: r() < 0.2 ? null : Math.abs(decimal(r) / 1e3),
      count: 2 + 2 * Math.floor(r() * 1e6),
      place: Math.floor(r() * 2 ** 32),
      isPaid: r() < 0.5,
      channel: pick(r, ['web', 'shop', 'é✈']),
      level: pick(r, [1, 2, 3.5, null]),
      card: r() < 0.2 ? null : { country: text(r), ...(r() < 0.5 ? { isDebit: r() < 0.5 } : {}) },
      from: r() < 0.5 ? {} : { at: { x: decimal(r) } },
      ...(r() < 0.1 ? { mail: 'a@example.org' } : {}),
    }),
  },
]

const NUMBERS = [
  ...[
    '0',
    '-0',
    '-0.0',
    '00',
    '01',
    '0.1',
    '-0.10',
    '.5',
    '5.',
    '1e5',
    '1E-3',
    '1e',
    '1e+',
    '2E+2',
  ],
  ...['123456789012345', '1234567890123456', '12345678.1234567', '12345678.12345678', '1e999'],
  ...['0.000000000000001', '0.0000000000000001', '9007199254740993', '9007199254740992', '-1e400'],
  ...['99999999999999.9', '+1', '- 1', '-', '--1', '1_0', '0x10', 'NaN', 'Infinity', '1.5.2', '7.'],
  ...['0.30000000000000004', '4.35', '1.005', '123456.789012345', '1.0', '4e0', '1e-400', '5e-324'],
  ...['4294967295', '4294967296', '179769313486231580793e289', '2.2250738585072011e-308', '1.5e1'],
]
const PIECES = [
  ...[' ', '\n', '\t', '\r', '"', '\\', '\\n', '\\u0061', '\\"', '{', '}', '[', ']', ',', ':', '-'],
  ...[
    '.',
    '0',
    '9',
    'e',
    'E',
    'null',
    'true',
    'false',
    'é',
    '😀',
    '\0',
    '\u001f',
    '\u007f',
    '\u00a0',
  ],
  ...['"x":1,', '"amount":1,', '"at":7,', '"id":"b",', '"kind":"landed",', ',"x":"é"', '"x":{},'],
  ...[
    '"__proto__":1,',
    '"x":[1,{"y":null}],',
    '"constructor":1,',
    '"toString":1,',
    '"__proto__x":1,',
  ],
].map((piece) => Buffer.from(piece))
/** Lone continuations, overlong forms, surrogates, what is cut off or past the last character. */
const BAD_UTF8 = [
  ...[[0x80], [0xbf], [0xff], [0xc3], [0xe2, 0x82], [0xc0, 0xaf], [0xc1, 0xbf], [0xe0, 0x9f, 0xbf]],
  ...[
    [0xed, 0xa0, 0x80],
    [0xed, 0xbf, 0xbf],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf4, 0x90, 0x80, 0x80],
  ],
  ...[
    [0xf5, 0x80, 0x80, 0x80],
    [0xf0, 0x9f, 0x98],
    [0xef, 0xbb, 0xbf],
    [0xed, 0x9f, 0xbf],
  ],
].map((bytes) => Buffer.from(bytes))

/** JSON as compact as JSON.stringify, as Python's json.dumps writes it, or with blanks all over. */
export function written(record: object, style: 'compact' | 'python' | 'wide'): string {
  const between = { compact: [',', ':'], python: [', ', ': '], wide: [' ,\n\t', ' :\r '] }[style]
  const write = (value: unknown): string => {
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const fields = Object.entries(value)
    const all = fields.map(([name, inner]) => `${JSON.stringify(name)}${between[1]}${write(inner)}`)
    return `{${all.join(between[0])}}`
  }
  return write(record)
}

/**
 * A record as some producer writes it: mostly in the usual order, perhaps with a field that nobody
 * knows.
 */
export function produced(kind: Kind, random: Random): Buffer {
  let fields = Object.entries(kind.record(random))
  if (random() < 0.1) fields = fields.toSorted(() => random() - 0.5)
  if (random() < 0.1) {
    const unknown = pick<unknown>(random, [1, 'é', null, true, { a: [1, { b: 2 }] }, []])
    fields.splice(Math.floor(random() * fields.length), 0, ['extra', unknown])
  }
  const style = pick(random, ['compact', 'compact', 'compact', 'python', 'wide'] as const)
  return Buffer.from(written(Object.fromEntries(fields), style))
}

/** A record that something has happened to, once or twice. */
export function mutated(record: Buffer, random: Random): Buffer {
  let bytes = record
  for (let n = 1 + Math.floor(random() * 2); n > 0; n--) bytes = once(bytes, random)
  return bytes
}

function once(bytes: Buffer, random: Random): Buffer {
  const at = Math.floor(random() * (bytes.length + 1))
  const length = 1 + Math.floor(random() * 3)
  const replaced = (by: Uint8Array, to: number) =>
    Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(Math.min(to, bytes.length))])
  const draw = random()
  if (draw < 0.3) return withNumber(bytes, random)
  if (draw < 0.4) return replaced(Buffer.from([Math.floor(random() * 256)]), at + 1)
  if (draw < 0.5) return replaced(Buffer.alloc(0), at + length)
  if (draw < 0.6) return replaced(bytes.subarray(at, at + 8), at)
  if (draw < 0.75) return replaced(pick(random, PIECES), at)
  if (draw < 0.85) return replaced(pick(random, PIECES), at + 1)
  if (draw < 0.9) return replaced(pick(random, BAD_UTF8), at)
  return besideAField(bytes, random)
}

/** In place of one that is there. */
function withNumber(bytes: Buffer, random: Random): Buffer {
  const all = [...bytes.toString('latin1').matchAll(/(?<=:\s*)-?\d[\d.e]*/g)]
  if (all.length === 0) return bytes
  const { index, 0: was } = pick(random, all)
  const drawn = ((random() - 0.5) * 10 ** Math.floor(random() * 20)).toFixed(random() * 14)
  const number = random() < 0.5 ? pick(random, NUMBERS) : drawn
  const [before, behind] = [bytes.subarray(0, index), bytes.subarray(index + was.length)]
  return Buffer.concat([before, Buffer.from(number), behind])
}

/** Something where a field begins, where it may well be JSON. */
function besideAField(bytes: Buffer, random: Random): Buffer {
  const all = [...bytes.toString('latin1').matchAll(/(?<=[{,]\s*)"/g)]
  const at = all.length === 0 ? 0 : pick(random, all).index
  return Buffer.concat([bytes.subarray(0, at), pick(random, PIECES), bytes.subarray(at)])
}
