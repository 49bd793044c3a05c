import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readMark, withMark } from '../../src/records/kafka/commit-mark.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 60 })
const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })

test('a mark and the metadata behind it come out as they went in', () => {
  const marks = fc.record({ transactionalId: id, memberId: text, number: fc.nat() })
  fc.assert(
    fc.property(marks, text, (mark, metadata) => {
      expect(readMark(withMark(mark, metadata))).toEqual({ mark, metadata })
    }),
  )
})

test.each(['', '{"v":1}', '[1,2]', '[2,"id","member",1]\n{}', '[1,"id"\n', 'line\nline'])(
  'metadata that others have written is left as it is: %j',
  (metadata) => {
    expect(readMark(metadata)).toEqual({ mark: null, metadata })
  },
)

test('a mark that is not whole, or has numbers that are none, is no mark', () => {
  const line = fc.tuple(
    fc.oneof(fc.constant(1), fc.jsonValue()),
    ...[fc.oneof(id, fc.jsonValue()), fc.oneof(text, fc.jsonValue())],
    fc.oneof(fc.constantFrom(-1, 0.5, 1e300, 2 ** 53, '1', null), fc.jsonValue()),
  )
  fc.assert(
    fc.property(fc.oneof(line, fc.array(fc.jsonValue())), (hostile) => {
      const { mark } = readMark(`${JSON.stringify(hostile)}\n{}`)
      if (mark === null) return
      expect([1, mark.transactionalId, mark.memberId, mark.number]).toEqual(hostile)
      expect(mark.transactionalId).toMatch(/./u)
      expect(typeof mark.memberId).toBe('string')
      expect(Number.isSafeInteger(mark.number) && mark.number >= 0).toBe(true)
    }),
  )
})
