import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapeControls } from '../../src/kernel/wording.ts'
import { runs } from '../support/runs.ts'

/** By code, because a class of characters may lack one that the code below has. */
function isControl(code: number): boolean {
  const isC0OrC1 = code < 0x20 || (code >= 0x7f && code < 0xa0)
  const isLine = code === 0x2028 || code === 0x2029
  const isBidi = [0x61c, 0x200e, 0x200f].includes(code) || (code >= 0x202a && code <= 0x202e)
  return isC0OrC1 || isLine || isBidi || (code >= 0x2066 && code <= 0x2069)
}

test('exactly controls, line separators, bidi marks and half surrogates are escaped', () => {
  for (let code = 0; code < 0x10000; code++) {
    const isHalf = code >= 0xd800 && code < 0xe000
    const escaped = `\\u${code.toString(16).padStart(4, '0')}`
    const wanted = isControl(code) || isHalf ? escaped : String.fromCharCode(code)
    expect(escapeControls(String.fromCharCode(code))).toBe(wanted)
  }
})

test('text stays readable: emoji, accents, and joiners of words', () => {
  const text = 'Zürich 👩‍🚀 می‌خواهم "\\" 東京'
  expect(escapeControls(text)).toBe(text)
  expect(escapeControls('red\u001b[31m\u009b0m \u202egnp.exe')).toBe(
    'red\\u001b[31m\\u009b0m \\u202egnp.exe',
  )
})

test('a line of JSON stays the same JSON', () => {
  const texts = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), texts, (value, text) => {
      const json = JSON.stringify([value, text])
      expect(JSON.parse(escapeControls(json))).toEqual(JSON.parse(json))
    }),
    { numRuns: runs(500) },
  )
})
