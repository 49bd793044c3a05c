import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Aggregate } from '../../../src/topology/aggregates.ts'
import { SMALL, Windowed } from '../windowed.ts'

const HOUR_MS = 3_600_000
const T = Date.UTC(2026, 0, 1)

type Payment = readonly [amount: number, timeMs: number]

/** Over all payments, at a time. */
function decayedSum(payments: readonly Payment[], timeMs: number, halfLifeMs: number): number {
  const aggregate: Aggregate = { of: 'decayedSum', column: 'amount', halfLifeMs }
  const windowed = new Windowed([Number.MAX_SAFE_INTEGER], [aggregate], SMALL)
  for (const [amount, at] of payments) {
    windowed.insert({ timeMs: at, amount, shop: 's', refund: false })
  }
  return windowed.write(timeMs, Number.NEGATIVE_INFINITY)[0] as number
}

/**
 * By the definition. Whole half-lives are halved apart from the rest of one: rounding 600.11 as one
 * exponent would cost 4e-14 of the power, more than is allowed to what is tested.
 */
function plain(payments: readonly Payment[], timeMs: number, halfLifeMs: number): number {
  return payments.reduce((sum, [amount, at]) => {
    const ageMs = timeMs - at
    const rest = 2 ** (-(ageMs % halfLifeMs) / halfLifeMs)
    return sum + amount * rest * 2 ** -Math.floor(ageMs / halfLifeMs)
  }, 0)
}

/** The most that is lost where a power of two is too small for a float64. */
function lostBelowFloat64(payments: readonly Payment[]): number {
  return payments.reduce((sum, [amount]) => sum + 2 * Math.max(1, amount) * Number.MIN_VALUE, 0)
}

describe('a decayed sum', () => {
  test('halves with every half-life', () => {
    const at = (hours: number) => decayedSum([[8, T]], T + hours * HOUR_MS, HOUR_MS)
    expect([0, 1, 2, 3].map(at)).toEqual([8, 4, 2, 1])
    expect(at(0.5)).toBeCloseTo(8 / Math.SQRT2, 14)
  })

  test('is what its definition says, for any half-life and time', () => {
    const backMs = fc.nat(100 * HOUR_MS)
    const payments = fc.array(fc.tuple(fc.integer({ min: 1, max: 100_000 }), backMs), {
      minLength: 1,
      maxLength: 60,
    })
    fc.assert(
      fc.property(payments, fc.integer({ min: 1, max: 200 * HOUR_MS }), (given, halfLifeMs) => {
        const of = given.map(([cents, ms]): Payment => [cents / 100, T - ms])
        const expected = plain(of, T, halfLifeMs)
        expect(Math.abs(decayedSum(of, T, halfLifeMs) - expected)).toBeLessThanOrEqual(
          expected * 1e-14 + lostBelowFloat64(of),
        )
      }),
      { examples: [[[[1, 5_401]], 9]] },
    )
  })

  test('is nothing of what cancels out at the time that it is asked for', () => {
    const pairs: Payment[] = [0.1, 33.33, 1e7].flatMap((amount, i): Payment[] => [
      [2 * amount, T + i],
      [-amount, T + i + HOUR_MS],
    ])
    expect(decayedSum(pairs, T + 5 * HOUR_MS + 7, HOUR_MS)).toBe(0)
  })

  test('of the far past is nothing, and what is new stands beside it', () => {
    const years: Payment[] = [1, 1e300, -1e300, 5].map((amount, i) => [amount, T + i * 1e11])
    expect(decayedSum(years, T + 3e11, 1)).toBe(5)
    expect(decayedSum(years, T + 4e11, 1)).toBe(0)
    expect(decayedSum(years.toReversed(), T + 3e11, 1)).toBe(5)
  })

  test('of values as large as there are is finite wherever in its half-life an event lies', () => {
    for (const ms of [0, 1, HOUR_MS / 2, HOUR_MS - 1]) {
      const payments: Payment[] = [[Number.MAX_VALUE / 2, T + ms]]
      expect(decayedSum(payments, T + ms, HOUR_MS) / Number.MAX_VALUE).toBeCloseTo(0.5, 14)
    }
  })
})
