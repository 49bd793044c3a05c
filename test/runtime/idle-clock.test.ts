import { minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { startDriver } from '../support/driver.ts'
import { perMinute, reading } from '../testing/support.ts'

// `idleAfter` is 10 s, the lag 0.

/** More windows than one step closes. */
const MANY = 20_000

async function withManyClosed() {
  const driver = await startDriver(perMinute)
  await driver.pipe(Array.from({ length: MANY }, (_, i) => reading(0, { sensor: `s-${i}` })))
  await driver.pipe(reading(61))
  return driver
}

test('a window that opened with the record that closed thousands closes by idle time, at its moment', async () => {
  const driver = await withManyClosed()
  expect(driver.take('minutes')).toHaveLength(MANY)
  await driver.advance(seconds(58))
  expect(driver.take('minutes')).toEqual([])
  await driver.advance(minutes(1))
  expect(driver.take('minutes').map((o) => o.timestampMs)).toEqual([Date.UTC(2026, 0, 1, 0, 0, 59)])
})

test('so it does when the worker has been restarted in between', async () => {
  const driver = await withManyClosed()
  await driver.crash()
  await driver.restart()
  await driver.advance(minutes(2))
  expect(driver.outputs('minutes')).toHaveLength(MANY + 1)
  expect(driver.outputs('minutes').at(-1)?.timestampMs).toBe(Date.UTC(2026, 0, 1, 0, 0, 59))
})
