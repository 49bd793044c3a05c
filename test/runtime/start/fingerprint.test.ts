import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  type DurationMs,
  defineTopology,
  type Feature,
  hours,
  isoTime,
  minutes,
  type RollingWindow,
  type SourceRecord,
  seconds,
  type Topology,
  unixTime,
} from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fingerprintOf } from '../../../src/runtime/start/fingerprint.ts'
import type { Definition } from '../../../src/topology/definition.ts'
import { model } from '../support.ts'

// Windows are made again when what decides them has changed, and only then.

const Event = z.object({ key: z.string(), at: z.int(), amount: z.number(), shop: z.string() })
type Event = z.infer<typeof Event>

interface Change {
  readonly version?: string
  readonly schema?: StandardSchemaV1<unknown, Event>
  readonly key?: (e: Event, record: SourceRecord) => string
  readonly eventTimeMs?: ((e: Event) => number) | 'record'
  readonly onTombstone?: 'dead-letter' | 'skip' | ((key: string) => unknown)
  readonly watermark?: { lag: DurationMs; idleAfter?: DurationMs; maxAhead?: DurationMs | 'none' }
  readonly onLate?: 'dead-letter' | 'drop' | 'score'
  readonly keep?: (e: Event) => boolean
  readonly amount?: (e: Event) => number
  readonly length?: DurationMs
  readonly own?: (e: Event) => number
  readonly dedupe?: { by: (e: Event) => string; within: DurationMs }
  readonly topic?: string
}

function changed(change: Change = {}): Topology<unknown> {
  const { version, schema = Event, keep = (e) => e.amount > 0, amount = (e) => e.amount } = change
  return defineTopology('t', version === undefined ? {} : { version }, (t) =>
    t
      .source('events', {
        schema,
        key: change.key ?? ((e) => e.key),
        eventTimeMs: change.eventTimeMs ?? ((e) => e.at),
        watermark: change.watermark ?? { lag: seconds(1) },
        onLate: change.onLate ?? 'dead-letter',
        ...(change.onTombstone && { onTombstone: change.onTombstone }),
      })
      .where(keep)
      .dedupe(change.dedupe ?? { by: (e) => e.shop, within: minutes(1) })
      .features((f) => {
        const events = f.events({ amount })
        const sum = events.rolling(change.length ?? minutes(1)).sum('amount')
        return { amount: events.value(change.own ?? ((e) => e.amount)), sum }
      })
      .score(model)
      .sink(change.topic ?? 'scores'),
  )
}

const fingerprint = fingerprintOf(changed())

test.each<[string, Change]>([
  ['the key', { key: (e) => e.shop }],
  ['the key, by the record', { key: (_, record) => record.header('card') ?? '' }],
  ['the event time', { eventTimeMs: (e) => e.at * 1_000 }],
  ["the event time, the record's own", { eventTimeMs: 'record' }],
  ['the lag', { watermark: { lag: seconds(2) } }],
  ['after how long a silence time passes', { watermark: { lag: seconds(1), idleAfter: hours(1) } }],
  ['how far ahead an event may be', { watermark: { lag: seconds(1), maxAhead: 'none' } }],
  ['what becomes of late events', { onLate: 'drop' }],
  ['what becomes of tombstones', { onTombstone: 'skip' }],
  ['what is made of tombstones', { onTombstone: (key) => ({ key }) }],
  ['a field of the schema', { schema: Event.extend({ amount: z.int() }) }],
  ['a refinement of the schema', { schema: Event.refine((e) => e.amount < 100) }],
  ['what is refined', { schema: Event.refine((e) => e.amount < 200) }],
  [
    'a refinement of a field',
    { schema: Event.extend({ shop: z.string().refine((s) => s !== '') }) },
  ],
  ['a transform', { schema: Event.transform((e) => ({ ...e, amount: e.amount / 100 })) }],
  ['what is coerced', { schema: Event.extend({ amount: z.coerce.number() }) }],
  ['a condition before the windows', { keep: (e) => e.amount > 1 }],
  ['what is summed', { amount: (e) => e.amount * 2 }],
  ['the length of a window', { length: minutes(2) }],
  ['what events are told apart by', { dedupe: { by: (e) => e.key, within: minutes(1) } }],
  ['how long an id counts', { dedupe: { by: (e) => e.shop, within: minutes(2) } }],
  ['its version', { version: '2' }],
])('a topology has another fingerprint with another one of %s', (_, change) => {
  expect(fingerprintOf(changed(change))).not.toBe(fingerprint)
})

test('what earlier versions could say has the fingerprint that it had', () => {
  const earlier = defineTopology('t', (t) =>
    t
      .source('events', {
        schema: Event,
        key: (e) => e.key,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(1) },
        onLate: 'dead-letter',
      })
      .where((e) => e.amount > 0)
      .features((f) => {
        const events = f.events({ amount: (e) => e.amount })
        const sum = events.rolling(minutes(1)).sum('amount')
        return { amount: events.value((e) => e.amount), sum }
      })
      .score(model)
      .sink('scores'),
  )
  expect(fingerprintOf(earlier)).toBe('4ddffb500569')
})

test('times of other fields, or of another kind, are another one', () => {
  const times = [
    isoTime((e: Event) => e.shop),
    isoTime((e: Event) => e.key),
    unixTime((e: Event) => e.at, 'seconds'),
    unixTime((e: Event) => e.at, 'microseconds'),
  ].map((eventTimeMs) => fingerprintOf(changed({ eventTimeMs })))
  expect(new Set([...times, fingerprint]).size).toBe(5)
})

test('what a window leaves out is part of it, and what is derived is none', () => {
  type Columns = {
    readonly amount: (e: Event) => number
    readonly large: (e: Event) => boolean
  }
  const columns: Columns = { amount: (e) => e.amount, large: (e) => e.amount > 9 }
  type Hour = RollingWindow<Columns>
  const over = (
    aggregate: (hour: Hour) => Feature<unknown>,
    derived?: (f: { a: number }) => number,
  ) =>
    fingerprintOf(
      defineTopology('t', (t) => {
        const rows = t
          .source('events', {
            schema: Event,
            key: (e) => e.key,
            eventTimeMs: (e) => e.at,
            watermark: { lag: seconds(1) },
            onLate: 'dead-letter',
          })
          .features((f) => ({ a: aggregate(f.events(columns).rolling(hours(1))) }))
        return derived === undefined ? rows.sink('rows') : rows.derive({ b: derived }).sink('rows')
      }),
    )
  const plain = over((hour) => hour.sum('amount'))
  const others = [
    over((hour) => hour.before().sum('amount')),
    over((hour) => hour.where('large').sum('amount')),
    over((hour) => hour.previous('amount')),
    over((hour) => hour.previous('amount', { n: 2 })),
    over((hour) => hour.delta('amount')),
  ]
  expect(new Set([plain, ...others]).size).toBe(6)
  expect(
    over(
      (hour) => hour.sum('amount'),
      ({ a }) => a * 2,
    ),
  ).toBe(plain)
})

test('each of them is another one', () => {
  const refined = [100, 200].map((_, i) =>
    i === 0 ? Event.refine((e) => e.amount < 100) : Event.refine((e) => e.amount < 200),
  )
  const [one, other] = refined.map((schema) => fingerprintOf(changed({ schema })))
  expect(one).not.toBe(other)
})

test.each<[string, Definition]>([
  ['the names of parameters', changed({ key: (event) => event.key, amount: (x) => x.amount })],
  ["what a schema's faults say", changed({ schema: Event.extend({ amount: z.number('no!') }) })],
  ['a feature of the event itself', changed({ own: (e) => e.amount + 1 })],
  ['what becomes of tombstones, as before', changed({ onTombstone: 'dead-letter' })],
  ['a sink', changed({ topic: 'other' })],
])('and keeps it with another one of %s', (_, definition) => {
  expect(fingerprintOf(definition)).toBe(fingerprint)
})
