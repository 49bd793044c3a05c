import { expect, test } from 'vitest'
import { expOf, logOf } from '../../src/trees/float-functions.ts'

// That they give the C library's last bits is seen where models that end in them are held against
// ONNX Runtime; here, that they are what they are named for, where no model leads.

const ULP = 2 ** -23

test('exp is within one unit in the last place, all over its range', () => {
  for (let x = -87; x < 88; x += 0.01) {
    const float = Math.fround(x)
    const exact = Math.exp(float)
    expect(Math.abs(expOf(float) - exact)).toBeLessThan(exact * ULP)
  }
})

test('exp at its ends', () => {
  expect(expOf(0)).toBe(1)
  expect(expOf(-0)).toBe(1)
  expect(expOf(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY)
  expect(expOf(Number.NEGATIVE_INFINITY)).toBe(0)
  expect(expOf(Math.fround(88.72284))).toBe(Number.POSITIVE_INFINITY)
  expect(expOf(Math.fround(-103.9))).toBe(2 ** -149)
  expect(expOf(Math.fround(-104))).toBe(0)
  expect(expOf(Number.NaN)).toBeNaN()
})

test('log is within one unit in the last place, of any float32', () => {
  for (let exponent = -149; exponent < 128; exponent++) {
    for (let fraction = 1; fraction < 2; fraction += 1 / 64) {
      const float = Math.fround(fraction * 2 ** exponent)
      if (float === 0 || float === 1) continue
      const exact = Math.log(float)
      expect(Math.abs(logOf(float) - exact)).toBeLessThan(Math.abs(exact) * ULP)
    }
  }
})

test('log at its ends', () => {
  expect(logOf(1)).toBe(0)
  expect(logOf(0)).toBe(Number.NEGATIVE_INFINITY)
  expect(logOf(-1)).toBeNaN()
  expect(logOf(Number.NaN)).toBeNaN()
  expect(logOf(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY)
})
