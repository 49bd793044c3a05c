import { expect, test } from 'vitest'
import { expOf, hardArguments } from '../../src/trees/float32.ts'

// That it gives the C library's last bits is seen where models that end in it are held against ONNX
// Runtime; here, that it is exp, where no model leads.

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

test('the model of exp asks where rounding float64 gives another float32, many times', () => {
  const hard = hardArguments()
  expect(hard).toHaveLength(1_000)
  const others = hard.filter((x) => Math.fround(Math.exp(x)) !== expOf(x))
  expect(others.length).toBeGreaterThan(50)
})
