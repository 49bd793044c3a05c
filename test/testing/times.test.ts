import { defineTopology, isoTime, minutes, seconds, unixTime } from 'tidemark'
import { TopologyDriver } from 'tidemark/testing'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { ScannedEvents } from '../../src/columns/scanned-events.ts'
import { validateTopology } from '../../src/engine/checks.ts'
import type { Topology } from '../../src/topology/stream.ts'

const Reading = z.object({
  machine: z.object({ id: z.string() }),
  at: z.iso.datetime({ offset: true }),
  serviced: z.string().nullish(),
  value: z.coerce.number(),
})
type Reading = z.infer<typeof Reading>

const source = {
  schema: Reading,
  key: (r: Reading) => r.machine.id,
  eventTimeMs: isoTime((r: Reading) => r.at),
  watermark: { lag: minutes(1) },
  onLate: 'dead-letter',
} as const

const readings = defineTopology('t', (t) =>
  t
    .source('readings', source)
    .features((f) => {
      const all = f.events({
        value: (r) => r.value,
        serviced: { of: isoTime((r) => r.serviced), missing: 'skip' },
      })
      const hour = all.rolling(minutes(60))
      return {
        value: all.value('value'),
        before: hour.previous('value'),
        delta: hour.delta('value'),
        hourOfService: all.hourOfDay('serviced'),
        dayOfService: all.dayOfWeek('serviced'),
        firstService: hour.min('serviced'),
      }
    })
    .map(({ features }) => features)
    .sink('rows'),
)

async function piped<T>(of: Topology<T>, events: readonly object[]) {
  const driver = await TopologyDriver.start(of)
  try {
    await driver.pipe(events)
    const rows = driver.outputs('rows' as keyof T & string).map(({ value }): unknown => value)
    return { rows, dead: driver.deadLetters() }
  } finally {
    await driver.stop()
  }
}

const machine = { id: 'm' }

describe('a time as text', () => {
  test('is read with its offset, as event time and as a column, from columns alone', async () => {
    const made = vi.spyOn(ScannedEvents.prototype, 'at')
    const { rows, dead } = await piped(readings, [
      { machine, at: '2026-03-01T12:00:00+02:00', serviced: '2026-02-28T23:30:00Z', value: 1 },
      { machine, at: '2026-03-01T10:00:00.001Z', serviced: null, value: 3 },
      { machine, at: '2026-03-01T04:59:59.999-05:00', value: 7 },
    ])
    const times = made.mock.calls.length
    made.mockRestore()
    expect(dead).toEqual([])
    const firstService = Math.fround(Date.UTC(2026, 1, 28, 23, 30))
    const none = { hourOfService: null, dayOfService: null }
    expect(rows).toEqual([
      { value: 1, before: null, delta: null, hourOfService: 23, dayOfService: 6, firstService },
      { value: 3, before: 1, delta: 2, ...none, firstService },
      // Event times: it is the first of the three.
      { value: 7, before: null, delta: null, ...none, firstService: null },
    ])
    expect(times).toBe(0)
  })

  test('that is none, or has no offset, makes a dead letter that says so', async () => {
    const { dead } = await piped(
      defineTopology('t', (t) =>
        t
          .source('readings', {
            ...source,
            schema: Reading.extend({ at: z.string(), serviced: z.string() }),
          })
          .features((f) => {
            const all = f.events({ serviced: isoTime((r) => r.serviced) })
            return { first: all.rolling(minutes(1)).min('serviced') }
          })
          .sink('rows'),
      ),
      [
        { machine, at: '2026-03-01T12:00:00', serviced: '2026-03-01T12:00:00Z', value: 1 },
        { machine, at: 'yesterday', serviced: '2026-03-01T12:00:00Z', value: 1 },
        { machine, at: '2026-03-01T12:00:00Z', serviced: '1 March', value: 1 },
      ],
    )
    expect(dead.map(({ code, message, step }) => `${step} ${code}: ${message}`)).toEqual([
      'decode TIME_INVALID: eventTimeMs: a time has no offset from UTC',
      'decode TIME_INVALID: eventTimeMs: a time is not RFC 3339, as 2026-03-01T09:30:00Z is',
      'features TIME_INVALID: column "serviced": a time is not RFC 3339, as 2026-03-01T09:30:00Z is',
    ])
  })

  test('is not a feature itself where it is the event time, because float32 cannot hold it', () => {
    const same = defineTopology('t', (t) =>
      t
        .source('readings', source)
        .features((f) => ({ at: f.events({ at: isoTime((r) => r.at) }).value('at') }))
        .sink('rows'),
    )
    expect(validateTopology(same).map(({ message }) => message)).toEqual([
      '"at" is the event time: a float32 holds it only to the nearest 131 s',
    ])
  })
})

describe('a time as a number of another unit', () => {
  test.each([
    ['seconds', 1_767_225_600.123, 1_767_225_600_123],
    ['microseconds', 1_767_225_600_123_999, 1_767_225_600_123],
  ] as const)('of %s is ms, scanned and called', async (unit, at, ms) => {
    const Event = z.object({ at: z.number(), n: z.number() })
    type Event = z.infer<typeof Event>
    const topology = (eventTimeMs: (e: Event) => number) =>
      defineTopology('t', (t) =>
        t
          .source('events', {
            ...{ schema: Event, key: () => 'k', eventTimeMs },
            ...{ watermark: { lag: seconds(0) }, onLate: 'dead-letter' },
          })
          .tumbling(seconds(1))
          .aggregate({ at: eventTimeMs }, (a) => ({ at: a.last('at') }))
          .sink('rows'),
      )
    const events = [
      { at, n: 1 },
      { at: at + (unit === 'seconds' ? 10 : 10_000_000), n: 2 },
    ]
    for (const of of [unixTime((e: Event) => e.at, unit), unixTime((e: Event) => e.at + 0, unit)]) {
      const { rows, dead } = await piped(topology(of), events)
      expect(dead).toEqual([])
      expect(rows[0]).toMatchObject({ at: ms })
    }
  })
})
