import { expect, it } from 'vitest'
import { ABSENT, NULL, PRESENT, ScannedColumns } from '../../../src/columns/columns.ts'
import { equalityTest, type ScoredRows } from '../../../src/formats/json/segments.ts'
import { Memory } from '../../../src/kernel/bytes.ts'

const REPLACEMENT = '\ufffd'
const bytes = Buffer.from(`"${REPLACEMENT}"`)
const memory = new Memory(new Uint8Array(bytes).buffer)

/** One row with one column, whose number is 0 and whose text is the replacement character. */
function rowWith(state: number): ScoredRows {
  const form = { path: ['it'], type: 'text', isOptional: true, isWithinOptional: false } as const
  const columns = new ScannedColumns([form], 1)
  columns.states[0] = state
  columns.starts[0] = 1
  columns.ends[0] = bytes.length - 1
  const events = { columns, memoryOf: () => memory }
  const none = { scores: [], features: new Float32Array(0), carried: new Float64Array(0) }
  return { events, indices: [0], ...none }
}

const there = rowWith(PRESENT)
const asNull = rowWith(NULL)
const absent = rowWith(ABSENT)

it.each([
  ['number', 0, there, true],
  ['number', -0, there, true],
  ['number', 0, asNull, false],
  ['number', 0, absent, false],
  ['number', '0', there, false],
  ['number', false, there, false],
  ['boolean', false, there, true],
  ['boolean', false, asNull, false],
  ['boolean', false, absent, false],
  ['boolean', 0, there, false],
  ['text', REPLACEMENT, there, true],
  ['text', REPLACEMENT, asNull, false],
  ['text', REPLACEMENT, absent, false],
  // A lone surrogate would be the replacement character in UTF-8.
  ['text', '\ud800', there, false],
  ['text', 0, there, false],
  ['text', null, there, false],
  ['text', null, asNull, true],
  ['text', null, absent, false],
] as const)('a %s that is compared with %j', (...[type, to, rows, isEqual]) => {
  const test = equalityTest({ is: 'field', column: 0, type, optional: true }, to)
  expect(test(0, rows)).toBe(isEqual)
})
