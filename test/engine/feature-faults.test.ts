import { defineTopology, isoTime, minutes, onnxModel, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { batchOf } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { MODEL } from './good-topology.ts'
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
