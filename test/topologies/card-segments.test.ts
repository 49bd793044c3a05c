import { type DurationMs, days, hours } from 'tidemark'
import { expect, test } from 'vitest'
import cardSegments from '../../topologies/card-segments.ts'
import { startDriver } from '../support/driver.ts'
import { payment } from './payment.ts'

type Segment = Readonly<{ tier: 'basic' | 'premium'; device: 'phone' | 'desktop' | 'terminal' }>
const COMMON: Segment = { tier: 'basic', device: 'terminal' }

/** The route and the model of each checkout, so long after noon of a Thursday, UTC. */
async function routesOf(checkouts: readonly (readonly [DurationMs, Partial<Segment>])[]) {
  const driver = await startDriver(cardSegments)
  await driver.pipe(checkouts.map(([at, of]) => ({ ...payment(at), ...COMMON, ...of })))
  return driver.outputs('checkout-predictions').map(({ value: { route, model } }) => [route, model])
}

test('tier comes before device, and device before business hours', async () => {
  expect(
    await routesOf([
      [hours(0), { tier: 'premium', device: 'phone' }],
      [hours(0), { device: 'phone' }],
      [hours(0), { device: 'desktop' }],
      [hours(12), { device: 'phone' }],
      [hours(12), { device: 'desktop' }],
    ]),
  ).toEqual([
    ['premium', 'card-mlp@1'],
    ['phone', 'card-gbdt-next@1'],
    ['office', 'card-gbdt@2'],
    ['phone', 'card-gbdt-next@1'],
    ['unattended', 'unattended@1'],
  ])
})

test('business hours are 9 to 17 in Zurich, from Monday to Friday', async () => {
  const at = (hour: number, day = 0) => (days(day) + hours(hour - 13)) as DurationMs
  const times = [at(8.99), at(9), at(16.99), at(17), at(12, 1), at(12, 2), at(12, 3), at(12, 4)]
  const routes = await routesOf(times.map((time) => [time, {}]))
  expect(routes.map(([route]) => route === 'office')).toEqual([
    ...[false, true, true, false], // Thursday
    ...[true, false, false, true], // Friday to Monday
  ])
})

test('with nobody at the office, a checkout is suspicious above 2,000', async () => {
  const driver = await startDriver(cardSegments)
  const night = [2_000, 2_001].map((amount) => ({ ...payment(hours(12), { amount }), ...COMMON }))
  await driver.pipe(night)
  const scores = driver.outputs('checkout-predictions').map(({ value }) => value.probability)
  expect(scores).toEqual([0.01, 0.9])
})
