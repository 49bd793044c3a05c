import { type DurationMs, hours, minutes } from 'tidemark'
import { expect, test } from 'vitest'
import 'tidemark/testing/vitest'
import flightDelay from '../../topologies/flight-delay.ts'
import { startDriver } from '../support/driver.ts'

/** A time that the weather table knows. */
const MORNING = Date.UTC(2013, 11, 5, 11)
const UA = { carrierOrigin: 'UA-EWR', flightId: 'UA1' }

function departed(after: DurationMs, fields: object = {}) {
  return {
    ...{ kind: 'departed', at: MORNING + after, ...UA },
    ...{ tailnum: 'N420UA', origin: 'EWR', dest: 'PDX' },
    ...{ depDelayMin: 0, distance: 2_434, scheduledMinute: 660 },
    ...fields,
  }
}

function landed(after: DurationMs, fields: object = {}) {
  return { kind: 'landed', at: MORNING + after, ...UA, depDelayMin: 0, arrDelayMin: 0, ...fields }
}

/** Runs with a function in the model's place that keeps what it is given. */
async function startSeeing() {
  const seen: Readonly<Record<string, number>>[] = []
  const model = (features: Readonly<Record<string, number>>) => {
    seen.push(features)
    return { probability: 0.5 }
  }
  return { driver: await startDriver(flightDelay, { models: { 'flight-gbdt': model } }), seen }
}

test('a departure is scored, under the flight’s key; a landing is skipped', async () => {
  const driver = await startDriver(flightDelay)
  await driver.pipe([departed(minutes(0)), landed(minutes(1))])
  expect(driver).toHaveOutcomes({ scored: 1, skipped: 1 })
  expect(driver.outputs('flight-predictions')).toMatchObject([
    { key: 'UA1', value: { flightId: 'UA1', at: MORNING, model: 'flight-gbdt@1' } },
  ])
})

test('departures and landings have windows of their own', async () => {
  const { driver, seen } = await startSeeing()
  await driver.pipe([
    departed(minutes(-120), { depDelayMin: 40 }),
    landed(minutes(-120), { arrDelayMin: 99 }), // two hours before the last: outside
    landed(minutes(-30), { depDelayMin: 10, arrDelayMin: 4 }),
    departed(minutes(-20), { depDelayMin: 20, dest: 'SFO' }),
    departed(minutes(0), { depDelayMin: 6 }),
  ])
  expect(seen.at(-1)).toMatchObject({
    ...{ depDelayMin: 6, secondsSinceLast: 1_200 },
    ...{ count1h: 2, meanDelay1h: 13, maxDelay1h: 20, dests1h: 2 },
    ...{ count3h: 3, meanDelay3h: 22, lateShare3h: Math.fround(2 / 3) },
    ...{ landed2h: 1, meanLost2h: -6, maxLost2h: -6 },
  })
})

test('a plane and the weather are looked up; what the tables do not know is NaN, and scored', async () => {
  const { driver, seen } = await startSeeing()
  await driver.pipe([departed(hours(0)), departed(hours(0), { tailnum: null, origin: 'XXX' })])
  expect(driver).toHaveOutcomes({ scored: 2 })
  const [known = {}, unknown = {}] = seen
  const lookedUp = ['planeAge', 'seats', 'boeing', 'airbus', 'windMph', 'visibilityMiles']
  const numbers = (features: object) =>
    lookedUp.map((name) => (features as Record<string, number>)[name])
  expect(numbers(known).every(Number.isFinite)).toBe(true)
  expect(numbers(unknown).every(Number.isNaN)).toBe(true)
})

test('ten minutes behind the newest is on time, more is late', async () => {
  const driver = await startDriver(flightDelay)
  await driver.pipe([departed(minutes(10)), departed(minutes(0)), landed(minutes(-1))])
  expect(driver).toHaveOutcomes({ scored: 2, late: 1 })
  expect(driver).toHaveDeadLetter('LATE', { key: 'UA-EWR' })
})

test('an event of neither kind is set aside', async () => {
  const driver = await startDriver(flightDelay)
  await driver.pipe({ ...departed(minutes(0)), kind: 'diverted' })
  expect(driver).toHaveDeadLetter('SCHEMA_INVALID', { key: 'UA-EWR' })
})

test('after a crash a carrier’s departures are remembered', async () => {
  const { driver, seen } = await startSeeing()
  await driver.pipe(departed(minutes(0)))
  await driver.crash()
  await driver.restart()
  await driver.pipe(departed(minutes(1)))
  expect(seen.map((features) => features['count1h'])).toEqual([1, 2])
})
