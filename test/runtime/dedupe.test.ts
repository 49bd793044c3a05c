import { defineTopology, minutes, seconds } from 'tidemark'
import { deduplicate } from 'tidemark/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { OutcomeTally } from '../../src/jobs/outcome-tally.ts'
import type { OnLate } from '../../src/topology/source.ts'
import { samples } from '../observe/events.ts'
import { startDriver } from '../support/driver.ts'

// Duplicates in a whole worker.

const NOON_MS = Date.UTC(2026, 0, 1, 12)

const Order = z.object({ id: z.string(), shop: z.string(), at: z.int() })

function orders(onLate: OnLate) {
  return defineTopology('orders', (t) => {
    const source = t.source('orders', {
      schema: Order,
      key: (o) => o.shop,
      eventTimeMs: (o) => o.at,
      watermark: { lag: seconds(10) },
      onLate,
    })
    const once = source
      .where((o) => o.id !== 'test')
      .dedupe({ by: (o) => o.id, within: minutes(10) })
    const perMinute = once.tumbling(minutes(1)).aggregate({}, (a) => ({ orders: a.count() }))
    return [once.sink('once'), perMinute.sink('minutes')]
  })
}

const order = (id: string, second: number, shop = 's-1') => {
  return { id, shop, at: NOON_MS + second * 1_000 }
}

test('each outcome is counted once, and in is their sum', async () => {
  const driver = await startDriver(orders('drop'))
  await driver.pipe([
    ...[order('a', 0), order('b', 1), order('a', 2), order('test', 3), order('c', 120)],
    ...[order('c', 120), order('d', 0), order('', 120)],
  ])
  expect(driver.outputs('once').map((o) => o.value.id)).toEqual(['a', 'b', 'c'])
  expect(driver.outcomes).toEqual({
    ...{ scored: 3, windowed: 0, skipped: 1, duplicate: 2, late: 1, dead: 1 },
  })
  expect(driver.deadLetters()).toMatchObject([{ code: 'ID_INVALID', step: 'dedupe' }])
  await driver.closeWindows()
  expect(driver.outputs('minutes').map((o) => o.value.orders)).toEqual([2, 1])
})

test('an id counts within its partition alone', async () => {
  const driver = await startDriver(orders('drop'), { partitions: 2 })
  // By their records' keys in different partitions.
  const sent = ['s-1', 's-3', 's-3'].map((key) => ({ key, value: order('a', 0) }))
  await driver.pipeRecords(sent)
  expect(driver.outcomes).toMatchObject({ scored: 2, duplicate: 1 })
})

test('what was sent again after a restart is a duplicate', async () => {
  const driver = await startDriver(orders('drop'))
  const sent = [order('a', 0), order('b', 30), order('c', 60)]
  await driver.pipe(sent)
  await driver.stop()
  await driver.restart()
  await driver.pipe(sent.map((o) => ({ ...o, at: o.at + 60_000 })))
  expect(driver.outcomes).toMatchObject({ scored: 3, duplicate: 3 })
})

test.each(['exactly-once', 'at-least-once'] as const)(
  'a crash between an event and its copy makes no other output (%s)',
  async (guarantee) => {
    const driver = await startDriver(orders('drop'), { guarantee })
    await driver.pipe([order('a', 0), order('b', 1)])
    await driver.crash({ during: [order('c', 2), order('a', 0), order('d', 3)] })
    await driver.restart()
    await driver.pipe([order('d', 3), order('c', 2), order('e', 4)])
    const ids = deduplicate(driver.outputs('once')).map((o) => o.value.id)
    expect(ids).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(driver.outcomes).toMatchObject({ scored: 5, duplicate: 3 })
  },
)

test('a late event that is scored all the same says so in its output', async () => {
  const driver = await startDriver(orders('score'))
  await driver.pipe([order('a', 0), order('b', 300), order('a', 1)])
  const late = driver.outputs('once').map(({ headers }) => headers['tidemark-late'])
  expect(late).toEqual([undefined, undefined, expect.anything()])
  expect(driver.outcomes).toMatchObject({ scored: 2, duplicate: 0, late: 1 })
})

test('a tally names duplicates where there are some', () => {
  const tally = new OutcomeTally()
  const after = (duplicate: number) => {
    const outcomes = { scored: 1, windowed: 0, skipped: 0, duplicate, late: 0, dead: 0 }
    tally.observer({ ...samples.processed, outcomes, closed: new Map() })
    return tally.summary()
  }
  expect(after(0)).toContain('1 scored + 0 skipped + 0 late')
  expect(after(2)).toContain('2 scored + 0 skipped + 2 duplicate + 0 late')
})
