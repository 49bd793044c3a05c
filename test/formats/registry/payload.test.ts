import { expect, test } from 'vitest'
import { noSchemaId, schemaIdOf } from '../../../src/formats/payload.ts'
import { readMessageIndexes } from '../../../src/formats/protobuf/proto-files.ts'

const idOf = (...bytes: number[]) => schemaIdOf(Uint8Array.from(bytes), 0, bytes.length)

test('a schema id is the four bytes after a zero, with the high one first', () => {
  expect(idOf(0, 0, 0, 1, 2, 9)).toBe(258)
  expect(idOf(0, 0x7f, 0xff, 0xff, 0xff)).toBe(2 ** 31 - 1)
  expect(idOf(0, 0x80, 0, 0, 0)).toBeNull()
  expect(schemaIdOf(Uint8Array.of(7, 7, 0, 0, 0, 0, 5, 7), 2, 7)).toBe(5)
})

test.each([
  ['JSON', [...Buffer.from('{"a":1}')], 'does not begin with a zero byte and a schema id'],
  ['four bytes', [0, 0, 0, 1], 'has 4 bytes, too few for a schema id'],
  ['nothing', [], 'has 0 bytes, too few for a schema id'],
])('%s has no schema id', (_, bytes, why) => {
  expect(idOf(...bytes)).toBeNull()
  expect(noSchemaId(bytes.length)).toMatchObject({
    code: 'SCHEMA_ID_MISSING',
    message: `the value ${why}`,
  })
})

test.each([
  ['the first message of the file', [0, 8, 1], { indexes: [0], start: 1 }],
  ['the third', [2, 4, 8], { indexes: [2], start: 2 }],
  ['the second that is nested in the first', [4, 0, 2, 8], { indexes: [0, 1], start: 3 }],
  ['one beyond 63', [2, 0x80, 1, 8], { indexes: [64], start: 3 }],
])('message indexes lead to %s', (_, bytes, expected) => {
  expect(readMessageIndexes(Uint8Array.from(bytes))).toEqual(expected)
})

test.each([
  ['none', []],
  ['cut off', [4, 0]],
  ['negative', [2, 1]],
  ['too many', [0xfe, 0xff, 3]],
])('message indexes that are %s lead nowhere', (_, bytes) => {
  expect(readMessageIndexes(Uint8Array.from(bytes))).toBeNull()
})
