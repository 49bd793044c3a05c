import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCanonicalNumber } from '../../../src/formats/json/number-text.ts'
import { runs } from '../../support/runs.ts'
import { numberToken } from './tokens.ts'

const RUNS = { numRuns: runs(10_000) }

function isCanonical(token: string): boolean {
  const bytes = Buffer.from(`9${token}9`)
  return isCanonicalNumber(bytes, 1, bytes.length - 1)
}

describe('a number as its producer wrote it', () => {
  it('is canonical only when JavaScript writes it alike', () => {
    fc.assert(
      fc.property(numberToken, (token) => !isCanonical(token) || String(Number(token)) === token),
      RUNS,
    )
  })

  it('is canonical whenever JavaScript writes it alike in at most 15 digits', () => {
    const own = numberToken
      .map((token) => String(Number(token)))
      .filter((token) => /^-?\d+(\.\d+)?$/.test(token) && token.replace(/\D/g, '').length <= 15)
    fc.assert(fc.property(own, isCanonical), RUNS)
  })

  it.each([
    '0',
    '7',
    '-7',
    '120',
    '0.5',
    '-0.5',
    '12.05',
    '0.000001',
    '1767225600123',
    '999999999999999',
  ])('%s is canonical', (token) => {
    expect(isCanonical(token)).toBe(true)
  })

  it.each([
    '-0',
    '0.0',
    '-0.0',
    '12.50',
    '1e3',
    '1E3',
    '1.5e3',
    '0.0000001',
    '-0.0000001',
    '1000000000000000',
    '0.30000000000000001',
  ])('%s is not', (token) => {
    expect(isCanonical(token)).toBe(false)
  })
})
