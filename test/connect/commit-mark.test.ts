import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readMark, withMark } from '../../src/connect/kafka/group/group-offsets.ts'
import { MOST_METADATA_BYTES } from '../../src/connect/port.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 60 })
const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })

test('a mark and the metadata behind it come out as they went in', () => {
  const marks = fc.record({ transactionalId: id, memberId: text, number: fc.nat() })
  fc.assert(
    fc.property(marks, text, (mark, metadata) => {
      expect(readMark(withMark(mark, 'group', metadata), 'group')).toEqual({ mark, metadata })
    }),
  )
})

test.each(['', '{"v":1}', '[1,2]', '[3,"id","member",1]\n{}', '[1,"id"\n', 'line\nline'])(
  'metadata that others have written is left as it is: %j',
  (metadata) => {
    expect(readMark(metadata, 'group')).toEqual({ mark: null, metadata })
  },
)

test('a mark that is not whole, or has numbers that are none, is no mark', () => {
  const line = fc.tuple(
    fc.oneof(fc.constantFrom(1, 2), fc.jsonValue()),
    ...[fc.oneof(id, fc.jsonValue()), fc.oneof(text, fc.jsonValue())],
    fc.oneof(fc.constantFrom(-1, 0.5, 1e300, 2 ** 53, '1', null), fc.jsonValue()),
  )
  fc.assert(
    fc.property(fc.oneof(line, fc.array(fc.jsonValue())), (hostile) => {
      const { mark } = readMark(`${JSON.stringify(hostile)}\n{}`, '')
      if (mark === null) return
      expect([1, 2]).toContain((hostile as unknown[])[0])
      expect([(hostile as unknown[])[0], mark.transactionalId, mark.memberId, mark.number]).toEqual(
        hostile,
      )
      expect(mark.transactionalId).toMatch(/./u)
      expect(typeof mark.memberId).toBe('string')
      expect(Number.isSafeInteger(mark.number) && mark.number >= 0).toBe(true)
    }),
  )
})

/** A worker's name of the greatest length; brokers put a random id behind it. */
const NAME = 'n'.repeat(100)
const LONGEST = {
  memberId: `${NAME}-00000000-0000-0000-0000-000000000000`,
  number: Number.MAX_SAFE_INTEGER,
}

test.each([1, 100, 4_000, 30_000])(
  'a mark and the longest metadata fit into what brokers take, for a group of %i characters',
  (length) => {
    const group = 'g'.repeat(length)
    const mark = { transactionalId: `${group}-${NAME}-01234567`, ...LONGEST }
    const metadata = 'x'.repeat(MOST_METADATA_BYTES)
    const packed = withMark(mark, group, metadata)
    expect(Buffer.byteLength(packed)).toBeLessThanOrEqual(4_096)
    expect(readMark(packed, group)).toEqual({ mark, metadata })
  },
)

test('a mark that fits has the form that workers from before know', () => {
  const mark = { transactionalId: 'g-1', memberId: 'm', number: 1 }
  expect(withMark(mark, 'g', '{}')).toBe('[1,"g-1","m",1]\n{}')
})
