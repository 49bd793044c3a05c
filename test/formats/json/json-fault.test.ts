import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonFault } from '../../../src/formats/json/parse-json.ts'
import { runs } from '../../support/runs.ts'
import { thrownIn } from '../../support/thrown.ts'
import { anything, decoded, jsonEvent, source } from './source.ts'

const messageOf = (value: string) => thrownIn(() => decoded(anything, value)).message

const isJson = (text: string) => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Any text, much of it nearly JSON. */
const nearlyJson = fc
  .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom(0, 1), fc.string({ maxLength: 2 }))
  .map(([json, at, cut, inserted]) => {
    const from = at % (json.length + 1)
    return `${json.slice(0, from)}${inserted}${json.slice(from + cut)}`
  })
const pieces = fc.constantFrom(
  ...['{', '}', '[', ']', '"', ':', ',', '\\', '\\u00', '\n', '\t', ' ', '0', '1', '-', '+', '.'],
  ...['e', 'E', 'true', 'false', 'null', 'NaN', '"a":', '\u00a0', '\u007f', 'é', '\u0001', 'u'],
)
const texts = fc.oneof(
  nearlyJson,
  fc.array(pieces, { maxLength: 12 }).map((all) => all.join('')),
  fc.json(),
)

test('a text has a fault exactly where the parser takes it for no JSON', () => {
  fc.assert(
    fc.property(texts, (text) => {
      expect(jsonFault(Buffer.from(text)) === null).toBe(isJson(text))
    }),
    { numRuns: runs(2_000) },
  )
})

test('up to its fault a text can still become JSON, with the faulty character it cannot', () => {
  // Whatever is open can be closed by one of these.
  const ends = ['', '0', '"', '":0', ':0', 'e', 'ue', 'rue', 'se', 'lse', 'alse', 'l', 'll', 'ull']
  const escapes = ['n"', '0"', '00"', '000"', '0000"']
  const keyed = escapes.concat('"').map((end) => `${end}:0`)
  const closings = ['', '}', ']', '":0', '"a":0'].concat(ends, escapes, keyed)
  const canGoOn = (text: string) =>
    closings.some((end) => [end, `${end}}`, `${end}]`].some((close) => isJson(text + close)))
  const flat = fc
    .tuple(fc.constantFrom('{"a":', '[', '[1,', ''), fc.array(pieces, { maxLength: 5 }))
    .map(([open, all]) => open + all.join(''))
  fc.assert(
    fc.property(flat, (text) => {
      fc.pre(!isJson(text))
      const fault = jsonFault(Buffer.from(text)) ?? ''
      const at = Number(/^at byte (\d+)/.exec(fault)?.[1])
      const bytes = Buffer.from(text)
      const before = bytes.toString('utf8', 0, at)
      fc.pre(!/[{[].*[{[]/s.test(before))
      const [next = ''] = text.slice(before.length)
      const withFault = next !== '' && canGoOn(before + next)
      expect({ text, before: canGoOn(before), withFault }).toEqual({
        ...{ text, before: true, withFault: false },
      })
    }),
    { numRuns: runs(1_000) },
  )
})

describe('a value that is not JSON is told by place and likely cause', () => {
  test.each([
    ['cut off', '{"amount":1', 'at byte 11 (line 1, column 12): it ends too early'],
    ['a text that does not end', '{"a":"\\', 'at byte 7 (line 1, column 8): it ends too early'],
    ['only white space', ' \n', 'at byte 2 (line 2, column 1): it ends too early'],
    ['only a byte order mark', '\ufeff', 'at byte 3 (line 1, column 2): it ends too early'],
    ['NaN', '{"a":NaN}', 'at byte 5 (line 1, column 6): JSON has neither NaN nor Infinity'],
    ['Infinity', '[Infinity]', 'at byte 1 (line 1, column 2): JSON has neither NaN nor Infinity'],
    [
      'minus infinity',
      '[-Infinity]',
      'at byte 2 (line 1, column 3): JSON has neither NaN nor Infinity',
    ],
    [
      'a comma behind the last field',
      '{\n  "a": 1,\n}',
      'at byte 12 (line 3, column 1): there is a comma before the closing bracket',
    ],
    [
      'a comma behind the last item',
      '[1, ]',
      'at byte 4 (line 1, column 5): there is a comma before the closing bracket',
    ],
    [
      'two objects',
      '{"a":1}{"a":2}',
      'at byte 7 (line 1, column 8): a second value starts here, but a record is one event',
    ],
    [
      'two objects in two lines',
      '{"a":1}\n{"a":2}\n',
      'at byte 8 (line 2, column 1): a second value starts here, but a record is one event',
    ],
    ['text behind', '{"a":1} x', 'at byte 8 (line 1, column 9): there is text after the JSON'],
    ['a field without quotes', '{a:1}', 'at byte 1 (line 1, column 2)'],
    ['a leading zero', '[01]', 'at byte 2 (line 1, column 3)'],
    ['a line end within a text', '["a\nb"]', 'at byte 3 (line 1, column 4)'],
    ['an escape that is none', '["\\x"]', 'at byte 3 (line 1, column 4)'],
    ['a word that is none', '[nul]', 'at byte 4 (line 1, column 5)'],
    [
      'what a schema registry frames',
      '\0\0\0\0\u0007{"a":1}',
      "at byte 0 (line 1, column 1): it starts like Confluent's wire format (a 0 byte and a 4-byte schema id), which is not supported",
    ],
  ])('%s', (_, value, what) => {
    expect(messageOf(value)).toBe(`the value is not JSON ${what}`)
  })

  test('a column counts characters, a byte counts bytes', () => {
    expect(messageOf('{"é€😀":}')).toBe('the value is not JSON at byte 13 (line 1, column 8)')
  })

  test('one of a megabyte', () => {
    const long = `{"a":"${'x'.repeat(1_000_000)}",}`
    expect(messageOf(long)).toContain('at byte 1000008 (line 1, column 1000009)')
  })

  test.each([
    ['gzip', [0x1f, 0x8b, 8, 0], ': it starts like gzip, but only whole batches may be compressed'],
    [
      'a schema registry, with bytes that are no text',
      [0, 0, 0, 0, 200, 2, 0xff],
      ": it starts like Confluent's wire format (a 0 byte and a 4-byte schema id), which is not supported",
    ],
    ['some others', [0xff, 0xfe], ''],
  ])('what is not even UTF-8: %s', (_, bytes, what) => {
    const record = { key: Buffer.from('k'), value: Buffer.from(bytes) }
    const fault = thrownIn(() => jsonEvent(source(anything), record))
    expect(fault.message).toBe(`the value is not UTF-8${what}`)
  })
})
