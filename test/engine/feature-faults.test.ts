import { defineTopology, isoTime, minutes, onnxModel, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { batchOf, type Given } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { MODEL } from './good-topology.ts'
import { scanningEngine } from './scanned-batch.ts'
import { whole } from './whole.ts'

// Events whose features cannot be made: where that is told, and the name of what is at fault.

const AT = Date.UTC(2026, 0, 1)
const Reading = z.object({
  at: z.int(),
  shop: z.string(),
  madeAt: z.string(),
  seenAt: z.string().nullable(),
  isOnline: z.boolean(),
  x: z.number(),
})
type Reading = z.infer<typeof Reading>

const topology = defineTopology('readings', (t) =>
  t
    .source('readings', {
      schema: Reading,
      key: () => 'k',
      eventTimeMs: (r) => r.at,
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .features((f) => {
      const readings = f.events({
        shop: (r) => r.shop,
        madeAt: isoTime((r) => r.madeAt),
        seenAt: { of: isoTime((r) => r.seenAt), missing: 'skip' },
        isOnline: (r) => r.isOnline,
      })
      const window = readings.rolling(minutes(1))
      return {
        shop: readings.code('shop', ['a', 'b'], { unknown: -1 }),
        hour: readings.hourOfDay('madeAt'),
        seen: window.count(),
        lastSeen: window.max('seenAt'),
        online: window.where('isOnline').count(),
        x: readings.value((r) => numberOf(r)),
      }
    })
    .derive({ inverse: ({ x }) => 1 / x })
    .score(
      onnxModel({
        ...MODEL,
        features: ['shop', 'hour', 'seen', 'lastSeen', 'online', 'x', 'inverse'],
      }),
      { missing: 'nan' },
    )
    .sink('scores'),
)

/** Throws as an author's library may. */
function numberOf({ x }: Reading): number {
  if (x === 4111) throw Object.assign(new Error(`no card ${x}`), { code: 'TIME_INVALID' })
  return x
}

const good = { at: AT, shop: 'a', madeAt: '2026-01-01T00:00:00Z', seenAt: null }

test.each<[string, object, string]>([
  [
    'a number in place of a text',
    { shop: 5 },
    'features COLUMN_INVALID: column "shop" must be a string, got number',
  ],
  [
    'a time without an offset',
    { madeAt: '2026-01-01T00:00:00' },
    'features TIME_INVALID: features.hour: a time has no offset from UTC',
  ],
  [
    'such a time that may be missing',
    { seenAt: '2026-01-01T00:00:00' },
    'features TIME_INVALID: column "seenAt": a time has no offset from UTC',
  ],
  [
    'a condition that is none',
    { isOnline: 1 },
    'features COLUMN_INVALID: column "isOnline" must be a boolean, got number',
  ],
  [
    'an error of an author that looks like one of a time',
    { x: 4111 },
    'features FUNCTION_THREW: step "features.x" threw Error',
  ],
  [
    'a derived feature that is infinite',
    { x: 0 },
    'derive FEATURE_NOT_FINITE: feature "inverse" is Infinity',
  ],
])('%s is told where it is', (_, odd, told) => {
  const engine = engineFor(topology)
  const event = { ...good, isOnline: true, x: 1, ...odd }
  const { faults } = whole(engine.process(batchOf(engine, [{ key: 'k', timeMs: AT, event }])))
  expect(faults.map(({ step, error }) => `${step} ${error.code}: ${error.message}`)).toEqual([told])
})

const Sale = z.object({
  at: z.int(),
  amount: z.number().nullable(),
  shop: z.string().nullable(),
  madeAt: z.string(),
  tippedAt: z.string().optional(),
  isWanted: z.boolean(),
})
type Sale = z.infer<typeof Sale>

const sales = defineTopology('sales', (t) =>
  t
    .source('sales', {
      schema: Sale,
      key: () => 'k',
      eventTimeMs: (s) => s.at,
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .features((f) => {
      const all = f.events({
        amount: (s) => s.amount as number,
        shop: (s) => s.shop as string,
        madeAt: isoTime((s) => s.madeAt),
        tippedAt: { of: isoTime((s) => s.tippedAt), missing: 'skip' },
      })
      return {
        seen: all.rolling(minutes(1)).count(),
        amount: all.value('amount'),
        shop: all.code('shop', ['a'], { unknown: -1 }),
        hour: all.hourOfDay('madeAt'),
        day: all.dayOfWeek('tippedAt'),
      }
    })
    .where((sale) => sale.isWanted)
    .score(onnxModel({ ...MODEL, features: ['seen', 'amount', 'shop', 'hour', 'day'] }), {
      missing: 'nan',
    })
    .sink('scores'),
)

/** An engine, and its batches: of objects, or scanned from bytes. */
const WAYS = {
  objects: () => {
    const engine = engineFor(sales)
    return { engine, batch: (events: readonly Given[]) => batchOf(engine, events) }
  },
  bytes: () => scanningEngine(sales),
}

describe.each(['objects', 'bytes'] as const)('from %s', (way) => {
  test.each<[string, Partial<Sale>, string]>([
    ['value', { amount: null }, 'COLUMN_INVALID'],
    ['code', { shop: null }, 'COLUMN_INVALID'],
    ['hourOfDay', { madeAt: 'soon' }, 'TIME_INVALID'],
    ['dayOfWeek, which may be missing', { tippedAt: 'soon' }, 'TIME_INVALID'],
  ])('an event without a value for %s enters no window', (_, lacking, code) => {
    const given = (event: Partial<Sale>): Given => {
      const sale = { at: AT, amount: 1, shop: 'a', madeAt: good.madeAt, isWanted: true, ...event }
      return { key: 'k', timeMs: AT, event: sale }
    }
    for (const mode of ['live', 'replay'] as const) {
      for (const isWanted of [true, false]) {
        const { engine, batch } = WAYS[way]()
        const dead = whole(engine.process(batch([given({ ...lacking, isWanted })]), mode))
        expect(dead.faults.map(({ error }) => error.code)).toEqual([code])
        const { arrivals } = whole(engine.process(batch([given({})])))
        expect(arrivals.map(({ rows }) => rows[0])).toEqual([1])
      }
    }
  })
})
