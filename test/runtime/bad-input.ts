import { readFileSync } from 'node:fs'
import type { Code } from '../../src/kernel/errors.ts'

// Records that are no payments, each between two good ones, and what must become of both.

const EDGE_INPUT = new URL('../golden/card-edge/input.tsv', import.meta.url)

/** A record of the payments topic. */
export interface Sent {
  readonly name: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestampMs: number
  readonly headers: readonly { readonly name: string; readonly value: Buffer }[]
  /** `null` for a good one. */
  readonly code: Code | null
}

const KEY = Buffer.from('c-1')
const TEN_YEARS_MS = 3_652 * 86_400_000

/**
 * A good payment in front of each bad one and one behind the last, a second apart, all of one card.
 */
export function badBetweenGood(startMs: number): Sent[] {
  const bad = badInputs(startMs)
  return Array.from({ length: 2 * bad.length + 1 }, (_, i) => {
    const nth = Math.floor(i / 2)
    const timestampMs = startMs + nth * 1_000
    const input = i % 2 === 0 ? { name: `good ${nth}`, code: null } : (bad[nth] as BadInput)
    const value = Buffer.from(JSON.stringify(payment(timestampMs, { amount: nth + 1 })))
    const headers = [{ name: 'trace', value: Buffer.from(`#${i} ü`) }]
    return { key: KEY, value, timestampMs, headers, ...input }
  })
}

/**
 * The features of the n-th good payment, in the order of the model: as if nothing bad had come
 * between.
 */
export function featuresOfGood(nth: number): Float32Array {
  const count = nth + 1
  const sum = (count * (count + 1)) / 2
  const std = Math.sqrt((count * count - 1) / 12)
  const window = [count, sum]
  return Float32Array.of(
    count,
    nth === 0 ? 86_400 : 1,
    ...[...window, sum / count, 1],
    ...[...window, count, 1],
    ...[...window, std],
  )
}

type BadInput = Partial<Sent> & { readonly name: string; readonly code: Code }

function badInputs(startMs: number): BadInput[] {
  const text = (json: string) => Buffer.from(json)
  const paidAt = (at: number, code: Code, name: string): BadInput => ({
    name: `event time ${name}`,
    value: text(JSON.stringify(payment(at))),
    code,
  })
  const fields = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`field${i}`, i]))
  const whole = JSON.stringify(payment(startMs))
  return [
    ...edgeLines(),
    { name: 'a value of 20 MB', value: Buffer.alloc(20_000_000, 'x'), code: 'RECORD_TOO_LARGE' },
    { name: 'a tombstone', value: null, code: 'TOMBSTONE' },
    { name: 'no key', key: null, code: 'NULL_KEY' },
    { name: 'no key and no value', key: null, value: null, code: 'TOMBSTONE' },
    { name: 'depth 10,000', value: text('['.repeat(10_000)), code: 'JSON_DEPTH' },
    { name: '300 fields', value: text(JSON.stringify(fields)), code: 'JSON_FIELDS' },
    {
      name: '__proto__',
      value: text(whole.replace('{', '{"__proto__":{"amount":1},')),
      code: 'JSON_PROTO',
    },
    {
      name: '1e999',
      value: text(whole.replace('"amount":1', '"amount":1e999')),
      code: 'SCHEMA_INVALID',
    },
    { name: 'invalid UTF-8', value: Buffer.from([0x22, 0xc3, 0x28, 0x22]), code: 'NOT_UTF8' },
    {
      name: 'an empty key',
      value: text(JSON.stringify(payment(startMs, { cardId: '' }))),
      code: 'KEY_INVALID',
    },
    paidAt(Math.floor(startMs / 1_000), 'TIME_UNIT', 'in seconds'),
    paidAt(startMs * 1_000, 'TIME_UNIT', 'in microseconds'),
    paidAt(startMs + 0.5, 'SCHEMA_INVALID', 'of half a millisecond'),
    paidAt(startMs + TEN_YEARS_MS, 'FUTURE', 'ten years ahead'),
    paidAt(startMs - 60_000, 'LATE', 'behind the watermark'),
  ]
}

/** The malformed lines of the golden folder `card-edge`. */
function edgeLines(): BadInput[] {
  const lines = readFileSync(EDGE_INPUT, 'utf8').split('\n').slice(32, 48)
  return lines.map((line, i) => {
    const tab = line.indexOf('\t')
    const key = Buffer.from(line.slice(0, tab))
    const value = Buffer.from(line.slice(tab + 1))
    const code = NO_JSON.has(i + 32) ? 'JSON_INVALID' : 'SCHEMA_INVALID'
    return { name: `line ${i + 32} of card-edge`, key, value, code }
  })
}

/** Empty, cut off, text behind the object, NaN. */
const NO_JSON = new Set([32, 36, 37, 38])

function payment(paidAt: number, other: { amount?: number; cardId?: string } = {}) {
  return {
    paymentId: 'p',
    cardId: 'c-1',
    merchantId: 'm-1',
    category: 'food',
    country: 'DE',
    amount: 1,
    paidAt,
    ...other,
  }
}
