import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readMark, withMark } from '../../src/records/kafka/commit-mark.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 60 })

test('a mark and the metadata behind it come out as they went in', () => {
  const marks = fc.record({ transactionalId: text, memberId: text, number: fc.nat() })
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
