import { describe, expect, test } from 'vitest'
import { naiveBatch } from './naive-batch.ts'
import { decode } from './support.ts'

describe('a view of a record', () => {
  test('has its parts as the record has them', () => {
    const set = naiveBatch({
      baseOffset: 7n,
      baseTimestamp: 90n,
      records: [
        { offsetDelta: 0, value: Buffer.from('one') },
        { offsetDelta: 2, timestampDelta: 3n, key: Buffer.from('k') },
      ],
    })
    const parts = [...decode(set)].map(({ offset, timestampMs, key, value, headers }) => [
      ...[offset, timestampMs, key?.toString(), value?.toString()],
      headers,
    ])
    expect(parts).toEqual([
      [7, 90, undefined, 'one', []],
      [9, 93, 'k', undefined, []],
    ])
  })

  test('has an empty value where a header has none, as the port wants it', () => {
    const headers = [
      { name: 'a', value: null },
      { name: 'b', value: Buffer.from('1') },
    ]
    const [view] = decode(naiveBatch({ records: [{ offsetDelta: 0, headers }] }))
    expect(view?.headers).toEqual([{ name: 'a', value: Buffer.alloc(0) }, headers[1]])
  })
})
