import { topic } from 'tidemark'
import { TopologyDriver } from 'tidemark/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startDriver } from '../../support/driver.ts'
import { prepare } from '../../support/in-process.ts'
import { thrownBy } from '../../support/thrown.ts'
import scores, { Merchant, models, paid, scoredBy } from './merchants.ts'

// Tables whose rows are in a topic, through the whole runtime.

const risk = (key: string, value: number | null) => ({
  key,
  value: value === null ? null : { risk: value },
})

/** The risks of payments to these merchants as they are seen now. */
async function risksOf(
  driver: Awaited<ReturnType<typeof startDriver<{ scores: { risk: number } }>>>,
  ...merchants: string[]
): Promise<number[]> {
  await driver.pipe(merchants.map((merchant) => paid(merchant)))
  return driver.take('scores').map(({ value }) => value.risk)
}

describe('a table whose rows are in a topic', () => {
  test('is read whole before the first event, and follows its topic from then on', async () => {
    const rows = Array.from({ length: 3_000 }, (_, i) => risk(`m-${i}`, i / 4_096))
    const driver = await startDriver(scores, { models, partitions: 3, tables: { merchants: rows } })
    expect(await risksOf(driver, 'm-1', 'm-2999', 'm-3000')).toEqual([1 / 4_096, 2_999 / 4_096, -1])
    await driver.update('merchants', [risk('m-1', 0.5), risk('m-3000', 0.25), risk('m-2999', null)])
    expect(await risksOf(driver, 'm-1', 'm-2999', 'm-3000')).toEqual([0.5, -1, 0.25])
  })

  test('is the same after a restart as it was before', async () => {
    const driver = await startDriver(scores, { models, tables: { merchants: risk('a', 0.5) } })
    await driver.update('merchants', [risk('a', null), risk('b', 0.25)])
    await driver.restart()
    expect(await risksOf(driver, 'a', 'b')).toEqual([-1, 0.25])
    await driver.crash()
    await driver.update('merchants', risk('a', 0.75))
    await driver.restart()
    expect(await risksOf(driver, 'a', 'b')).toEqual([0.75, 0.25])
  })

  test('has no row for a key whose newest record is none', async () => {
    const driver = await startDriver(scores, {
      models,
      tables: { merchants: [risk('a', 0.5), risk('b', 0.5), risk('c', 0.5)] },
    })
    await driver.update('merchants', [
      { key: 'a', value: { risk: 'high' } },
      { key: 'b', value: 'no JSON' },
      { key: null, value: { risk: 1 } },
    ])
    expect(await risksOf(driver, 'a', 'b', 'c')).toEqual([-1, -1, 0.5])
    await driver.update('merchants', risk('a', 0.125))
    expect(await risksOf(driver, 'a')).toEqual([0.125])
  })

  test('with a key of its own: a record replaces its earlier row, and a tombstone removes it', async () => {
    const byId = scoredBy((t) =>
      t.table('merchants', {
        schema: Merchant,
        key: (m) => m.id ?? '',
        from: topic('merchants'),
      }),
    )
    const row = (key: string, id: string, value: number) => ({ key, value: { id, risk: value } })
    const driver = await startDriver(byId, {
      models,
      tables: { merchants: [row('r1', 'a', 0.5), { value: { id: 'own', risk: 0.25 } }] },
    })
    expect(await risksOf(driver, 'a', 'own', 'r1')).toEqual([0.5, 0.25, -1])
    await driver.update('merchants', row('r1', 'b', 0.75))
    expect(await risksOf(driver, 'a', 'b')).toEqual([-1, 0.75])
    await driver.update('merchants', { key: 'r1', value: null })
    expect(await risksOf(driver, 'b', 'own')).toEqual([-1, 0.25])
  })

  test('is one for all topologies that declare the same', async () => {
    const declared = () =>
      scoredBy((t) => t.table('merchants', { schema: Merchant, from: topic('merchants') }), {
        name: 'again',
      })
    const other = scoredBy(
      (t) => t.table('merchants', { schema: Merchant, from: topic('others') }),
      { name: 'others' },
    )
    // Scanned rows are the same, but `'0.5'` is one in the latter only.
    const coerced = scoredBy(
      (t) => {
        const schema = Merchant.extend({ risk: z.coerce.number() })
        return t.table('merchants', { schema, from: topic('merchants') })
      },
      { name: 'coerced' },
    )
    const prepared = await prepare([scores, declared(), other, coerced], { latencyBudget: 'none' })
    const tables = prepared.topologies.map(({ tables: [table] }) => table?.table)
    expect(tables[0]).toBe(tables[1])
    expect(tables.map((table) => table?.label)).toEqual([
      ...['merchants', 'merchants', 'merchants-2', 'merchants-3'],
    ])
    await prepared.close()
  })

  test('that grows too large ends the worker', async () => {
    const driver = await TopologyDriver.start(scores, { models, maxTableBytes: 100_000 })
    const rows = Array.from({ length: 2_000 }, (_, i) => risk(`merchant-${i}`, i))
    expect(await thrownBy(driver.update('merchants', rows))).toMatchObject({ code: 'TABLE_LIMIT' })
    expect(await thrownBy(driver.stop())).toMatchObject({ code: 'TABLE_LIMIT' })
  })
})

describe('an output says which rows it was made with', () => {
  const headerOf = (outputs: readonly { headers: Readonly<Record<string, string>> }[]) =>
    outputs.map(({ headers }) => headers['tidemark-tables'])

  test('by the offsets up to which the topic was read', async () => {
    const driver = await startDriver(scores, { models, tables: { merchants: risk('a', 0.5) } })
    await driver.pipe([paid('a'), paid('b')])
    expect(headerOf(driver.take('scores'))).toEqual(['merchants=1', 'merchants=1'])
    await driver.update('merchants', [risk('a', 0), risk('b', 0)])
    await driver.pipe(paid('a'))
    expect(headerOf(driver.take('scores'))).toEqual(['merchants=3'])
  })

  test('by a hash of the file', async () => {
    const { default: flightDelay } = await import('../../../topologies/flight-delay.ts')
    const prepared = await prepare([flightDelay], { latencyBudget: 'none' })
    const contents = prepared.topologies[0]?.tables.map(({ table }) => table.contents)
    expect(contents).toEqual([
      expect.stringMatching(/^sha256:[0-9a-f]{16}$/),
      expect.stringMatching(/^sha256:[0-9a-f]{16}$/),
    ])
    await prepared.close()
  })
})
