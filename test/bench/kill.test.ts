import { expect, test } from 'vitest'
import { longestSilence } from './kill.ts'

test('outputs that arrive just after a kill are not from the next worker: the longest silence counts', () => {
  expect(longestSilence([90, 105, 110, 2_300, 2_305, 4_000], 100, 4_000)).toBe(2_200)
})

test('without an output after a kill there is no figure', () => {
  expect(longestSilence([90, 100], 100, Number.POSITIVE_INFINITY)).toBeNull()
})
