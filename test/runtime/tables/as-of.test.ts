import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { file, minutes, topic } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { seeded } from '../../../src/kernel/random.ts'
import { startDriver } from '../../support/driver.ts'
import { runs } from '../../support/runs.ts'
import { at, Merchant, models, paid, scoredBy } from './merchants.ts'
import { departures, weatherOf } from './weather.ts'

// Each event sees the version of its own time, equal to a join that does nothing but that.

const asOf = scoredBy(
  (t) =>
    t.table('merchants', {
      schema: Merchant,
      from: topic('merchants'),
      asOf: (m) => m.sinceMs ?? Number.NaN,
    }),
  { onLate: 'score' },
)

/** A version of a merchant, from `second` seconds after noon on; its risk is its number. */
interface Version {
  readonly key: string
  readonly second: number
  readonly risk: number | null
}

const recordOf = ({ key, second, risk }: Version) => ({
  key,
  value: risk === null ? null : { risk, sinceMs: at(second) },
  timestampMs: at(second),
})

/** The risk by the newest version not later than the event, of two of one time the later one. */
function naive(versions: readonly Version[], merchant: string, second: number): number {
  let found: Version | undefined
  for (const version of versions) {
    if (version.key !== merchant || version.second > second) continue
    if (found === undefined || version.second >= found.second) found = version
  }
  return found?.risk ?? -1
}

const MERCHANTS = ['a', 'b']
const second = fc.integer({ min: 0, max: 30 })
const step = fc.oneof(
  fc.record({
    is: fc.constant('update' as const),
    key: fc.constantFrom(...MERCHANTS),
    second,
    isTombstone: fc.boolean(),
  }),
  fc.record({ is: fc.constant('event' as const), key: fc.constantFrom(...MERCHANTS), second }),
  fc.record({ is: fc.constant('restart' as const) }),
)

test('in any order of versions, tombstones, events and restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const driver = await startDriver(asOf, { models })
      const versions: Version[] = []
      const wanted: number[] = []
      for (const [i, one] of steps.entries()) {
        if (one.is === 'restart') await driver.restart()
        else if (one.is === 'update') {
          const version = { ...one, risk: one.isTombstone ? null : i }
          versions.push(version)
          await driver.update('merchants', recordOf(version))
        } else {
          await driver.pipe(paid(one.key, one.second))
          wanted.push(naive(versions, one.key, one.second))
        }
      }
      expect(driver.take('scores').map(({ value }) => value.risk)).toEqual(wanted)
      await driver.stop()
    }),
    { numRuns: runs(15) },
  )
})

describe('the weather of flights, with events out of order and late', () => {
  const lines = readFileSync(
    new URL('../../../topologies/samples/weather.ndjson', import.meta.url),
    'utf8',
  )
  const rows = lines
    .trimEnd()
    .split('\n')
    .map(
      (line) => JSON.parse(line) as { origin: string; availableAt: number; tempF: number | null },
    )
  const flights = gunzipSync(
    readFileSync(new URL('../../../topologies/samples/flights.ndjson.gz', import.meta.url)),
  )
    .toString('utf8')
    .split('\n', 1_500)
    .map(
      (line) => JSON.parse(line) as { kind: string; origin: string; at: number; flightId: string },
    )
    .filter(({ kind }) => kind === 'departed')
  const random = seeded(1)
  const jittered = flights
    .map((flight) => ({ flight, sentMs: flight.at + random() * minutes(40) }))
    .toSorted((a, b) => a.sentMs - b.sentMs)
    .map(({ flight }) => flight)
  const expected = jittered.map(({ origin, at: atMs, flightId }) => {
    const before = rows.filter((row) => row.origin === origin && row.availableAt <= atMs)
    const newest = before.toSorted((a, b) => a.availableAt - b.availableAt).at(-1)
    return { flightId, tempF: Math.fround(newest?.tempF ?? -1) }
  })
  const weather = new URL('../../../topologies/samples/weather.ndjson', import.meta.url)

  test('from a file with several rows of each airport', async () => {
    const driver = await startDriver(
      departures((t) => weatherOf(t, file(weather))),
      { models },
    )
    await driver.pipe(jittered)
    expect(driver.take('temperatures').map(({ value }) => value)).toEqual(expected)
    expect(driver.outcomes.late).toBeGreaterThan(10)
  })

  test.each([
    ['named by its record key', (row: (typeof rows)[number]) => `${row.origin} ${row.availableAt}`],
    ['in a record without a key', () => undefined],
  ])('from a topic with its rows in any order, each %s', async (_, keyOf) => {
    const shuffled = rows
      .map((value) => ({ value, order: random() }))
      .toSorted((a, b) => a.order - b.order)
      .map(({ value }) => {
        const key = keyOf(value)
        return key === undefined ? { value } : { value, key }
      })
    const driver = await startDriver(
      departures((t) => weatherOf(t, topic('weather'))),
      {
        models,
        tables: { weather: shuffled },
      },
    )
    await driver.pipe(jittered)
    expect(driver.take('temperatures').map(({ value }) => value)).toEqual(expected)
  })
})
