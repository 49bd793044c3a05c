import { expect, test } from 'vitest'
import { RecordKeys } from '../../src/lookup/record-keys.ts'

const row = (key: string) => ({ key, timeMs: 0 })

test('a record that puts another row than before replaces its earlier one', () => {
  const keys = new RecordKeys()
  expect(keys.put('r1', row('a'))).toBeNull()
  expect(keys.put('r1', row('a'))).toBeNull()
  expect(keys.put('r1', row('b'))).toEqual(row('a'))
  expect(keys.remove('r1')).toEqual(row('b'))
  expect(keys.remove('r1')).toBeNull()
})

test('a record whose row another one has put since has none of its own any more', () => {
  const keys = new RecordKeys()
  keys.put('r1', row('a'))
  keys.put('r2', row('a'))
  expect(keys.put('r1', row('b'))).toBeNull()
  expect(keys.remove('r2')).toEqual(row('a'))
  expect(keys.remove('r1')).toEqual(row('b'))
})

test('a record that is removed leaves the row that another one has put since', () => {
  const keys = new RecordKeys()
  keys.put('r1', row('a'))
  keys.put('r2', row('a'))
  expect(keys.remove('r1')).toBeNull()
  expect(keys.remove('r2')).toEqual(row('a'))
})
