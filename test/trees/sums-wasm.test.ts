import { expect, test } from 'vitest'
import { compiledSums } from '../../.config/build-wasm.js'
import { SUMS } from '../../src/trees/sums-wasm.ts'

test('the bytes that are committed are what the source compiles to', async () => {
  expect(SUMS).toBe(await compiledSums())
})
