import { expect, test } from 'vitest'
import type { EventFunction } from '../../src/topology/definition.ts'
import { pickedField } from '../../src/topology/picked-field.ts'

interface E {
  readonly a: number | undefined | null
  readonly b: number
  readonly inner: { readonly b: number }
}

test.each<[string, (e: E) => unknown]>([
  ['(e) => e.a', (e) => e.a],
  ["(e) => e['a']", (e) => e['a']],
  ['({ a }) => a', ({ a }) => a],
])('%s picks a field', (_, of) => {
  expect(pickedField(of as EventFunction<unknown>)).toBe('a')
})

test.each<[string, (e: E) => unknown]>([
  ['a computation', (e) => (e.a ?? 0) * 2],
  ['two fields', (e) => (e.a ? e.b : e.a)],
  ['a default for null', (e) => e.a ?? 0],
  ['a default for nothing', (e) => e.a || 0],
  ['a default of a parameter', ({ a = 3 }) => a],
  ['NaN for null', ({ a }) => (a === null ? Number.NaN : a)],
  ['a field of a field', (e) => e.inner.b],
  ['a constant', () => 1],
  ['nothing', () => undefined],
  ['the event itself', (e) => e],
  [
    'a function that throws',
    () => {
      throw new Error('no')
    },
  ],
])('%s does more than pick a field', (_, of) => {
  expect(pickedField(of as EventFunction<unknown>)).toBeNull()
})
