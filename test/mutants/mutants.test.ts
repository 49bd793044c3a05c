import { expect, test } from 'vitest'
import { faultsOf } from './mutant.ts'
import { MUTANTS } from './mutants.ts'

// run.ts makes the mistakes.

test('every mistake fits the sources in one place, and the test that catches it is there', () => {
  expect(MUTANTS.length).toBeGreaterThan(100)
  expect(MUTANTS.flatMap(faultsOf)).toEqual([])
})
