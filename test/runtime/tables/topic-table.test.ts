import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { following, inAvro } from './following-table.ts'

test('its rows are seen once all of the topic was read, and each later one at once', async () => {
  const { put, of, told, riskOf, until, table } = following()
  for (let i = 0; i < 250; i++) put(`m-${i}`, i, i % 2)
  const running = of.run()
  expect(riskOf('m-0')).toBeUndefined()
  await of.loaded
  expect([riskOf('m-0'), riskOf('m-249'), table.contents]).toEqual([0, 249, '125,125'])
  expect(told('table-loading')[0]).toMatchObject({ table: 'merchants', records: 0, total: 250 })
  expect(told('table-loaded')).toMatchObject([{ rows: 250 }])
  put('m-0', 7)
  put('m-1', null, 1)
  await until(() => table.contents === '126,126')
  expect([riskOf('m-0'), riskOf('m-1')]).toEqual([7, undefined])
  expect(told('table-read').at(-1)).toMatchObject({ records: 1, rows: 249, lag: 0 })
  of.stop()
  await running
})

test('invalid records are told with their position, and their keys have no row', async () => {
  const { put, of, told, riskOf } = following()
  put('a', 1)
  put('a', 'high')
  put('', 1, 1)
  const running = of.run()
  await of.loaded
  expect(riskOf('a')).toBeUndefined()
  expect(told('table-row-invalid').map(({ code, message, at }) => [code, message, at])).toEqual([
    ['SCHEMA_INVALID', 'risk: Invalid input: expected number, received string', 'merchants-0@1'],
    ['TABLE_INVALID', 'the record has no key', 'merchants-1@0'],
  ])
  of.stop()
  await running
})

test('where records were deleted before they were read, the table is read again, and kept until then', async () => {
  const { records, put, of, riskOf, until, table } = following({ partitions: 1 })
  for (let i = 0; i < 5; i++) put(`m-${i}`, i)
  const first = of.run()
  await of.loaded
  // While it does not read, the topic goes on and its beginning is deleted, as by retention.
  for (let i = 0; i < 500; i++) put('m-4', 100 + i)
  records.deleteBefore({ topic: 'merchants', partition: 0, offset: 503 })
  expect(riskOf('m-0')).toBe(0)
  await until(() => table.contents === '505')
  expect([riskOf('m-0'), riskOf('m-4')]).toEqual([undefined, 599])
  of.stop()
  await first
})

test('while the topic cannot be read, it stays as it is and says so', async () => {
  let isDown = false
  const { of, told, put, riskOf, until, clock, records } = following({
    follow: (inner, options) => {
      if (isDown) throw new TidemarkError('BROKER_UNAVAILABLE', 'no broker answers')
      return inner.follow(options)
    },
  })
  put('a', 1)
  const running = of.run()
  await of.loaded
  isDown = true
  // Ends what is being read.
  await records.close()
  await until(() => told('trouble').length === 1)
  expect(told('trouble')).toMatchObject([{ table: 'merchants', reason: 'no broker answers' }])
  expect(riskOf('a')).toBe(1)
  put('a', 2)
  isDown = false
  clock.advance(10_000)
  await until(() => riskOf('a') === 2)
  expect(told('trouble').at(-1)).toMatchObject({ reason: null })
  of.stop()
  await running
})

test('values of a schema registry are rows once their schema is there; a record without one is invalid', async () => {
  const { values, registry, register, row } = inAvro()
  register(7)
  const { of, putValue, riskOf, told, until, clock } = following({ values })
  registry.isDown = true
  putValue('a', row(7, 0.5))
  putValue('b', Buffer.from('no id'))
  const running = of.run()
  await until(() => told('trouble').length === 1)
  expect(told('trouble')).toMatchObject([{ reason: 'the registry is down' }])
  registry.isDown = false
  clock.advance(10_000)
  await of.loaded
  expect([riskOf('a'), riskOf('b')]).toEqual([0.5, undefined])
  expect(told('table-row-invalid').map(({ code }) => code)).toEqual(['SCHEMA_ID_MISSING'])
  expect(told('trouble').at(-1)).toMatchObject({ reason: null })
  of.stop()
  await running
})

test('a row whose schema the registry does not have is waited for, and the one before it stays meanwhile', async () => {
  const { values, registry, register, row } = inAvro()
  register(7)
  const { of, putValue, riskOf, told, until, clock } = following({ values })
  putValue('a', row(7, 1))
  const running = of.run()
  await of.loaded
  putValue('a', row(8, 2))
  await until(() => told('trouble').length === 1)
  while (registry.asked.length < 20) {
    clock.advance(1_000)
    await nextTurn()
  }
  expect(told('trouble')).toMatchObject([
    { reason: 'the schema registry has no schema 8, which a record refers to' },
  ])
  expect(riskOf('a')).toBe(1)
  register(8)
  clock.advance(10_000)
  await until(() => riskOf('a') === 2)
  expect(told('table-row-invalid')).toEqual([])
  of.stop()
  await running
})

test('partitions that are added later are read from their start, and an empty one keeps its place', async () => {
  const { records, of, put, riskOf, until, table } = following({ partitions: 1 })
  const running = of.run()
  await of.loaded
  records.addPartitions('merchants', 3)
  put('b', 5, 2)
  await until(() => riskOf('b') !== undefined)
  expect([riskOf('b'), table.contents]).toEqual([5, '0,0,1'])
  of.stop()
  await running
})

test('that it is read again while its topic is being opened is no reason to see what it had', async () => {
  const asOf = (row: unknown) => Date.UTC(2026, 0, (row as { risk: number }).risk)
  const opening: (() => void)[] = []
  const { of, put, until, table } = following({
    partitions: 1,
    asOf,
    follow: async (inner, options) => {
      await new Promise<void>((open) => opening.push(open))
      return inner.follow(options)
    },
  })
  for (const day of [1, 5, 9]) put('a', day)
  of.keepFrom(Date.UTC(2026, 0, 10))
  const running = of.run()
  await until(() => opening.length === 1)
  of.keepFrom(Date.UTC(2026, 0, 2))
  opening[0]?.()
  await until(() => opening.length === 2)
  opening[1]?.()
  await of.loaded
  expect(table.get('a', Date.UTC(2026, 0, 2))).toMatchObject({ risk: 1 })
  of.stop()
  await running
})

test('versions that no event can see are dropped; when older events may come again, all is read again', async () => {
  const asOf = (row: unknown) => Date.UTC(2026, 0, (row as { risk: number }).risk)
  const { of, put, until, table } = following({ partitions: 1, asOf })
  const riskAt = (day: number) =>
    (table.get('a', Date.UTC(2026, 0, day)) as { risk: number } | undefined)?.risk
  for (const day of [1, 5, 9]) put('a', day)
  of.keepFrom(Date.UTC(2026, 0, 6))
  const running = of.run()
  await of.loaded
  expect([table.size, riskAt(6), riskAt(9), riskAt(4)]).toEqual([2, 5, 9, undefined])
  of.forget(Date.UTC(2026, 0, 10))
  expect([table.size, riskAt(10)]).toEqual([1, 9])
  of.keepFrom(Date.UTC(2026, 0, 2))
  await of.loaded
  await until(() => table.size === 3)
  expect([riskAt(2), riskAt(5), riskAt(10)]).toEqual([1, 5, 9])
  of.stop()
  await running
})
