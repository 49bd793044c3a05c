import { describe, expect, test } from 'vitest'
import { Checksums, type Content, differences } from './checksums.ts'

type Entry = readonly [partition: number, key: string | null, value: string | null]

const INPUT: readonly Entry[] = [
  [0, 'a', 'one'],
  [0, 'b', 'two'],
  [1, null, 'three'],
  [1, 'c', null],
]

function contentsOf(entries: readonly Entry[]): readonly Content[] {
  const checksums = new Checksums(2)
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
  for (const [partition, key, value] of entries) {
    checksums.add(partition, { key: bytes(key), value: bytes(value) })
  }
  return checksums.contents
}

function faultsOf(copy: readonly Entry[]): string[] {
  return differences(contentsOf(INPUT), contentsOf(copy))
}

const [first, second, third, fourth] = INPUT as [Entry, Entry, Entry, Entry]

describe('a copy', () => {
  test('of the same records is correct, in any order between partitions', () => {
    expect(faultsOf([third, first, fourth, second])).toEqual([])
  })

  test.each<[string, Entry[], string]>([
    ['a record that is missing', [first, third, fourth], 'partition 0 has 1 records instead of 2'],
    ['a record that is there twice', [...INPUT, fourth], 'partition 1 has 3 records instead of 2'],
    ['a different order', [second, first, third, fourth], 'partition 0 has other content'],
    ['a different value', [first, [0, 'b', 'twO'], third, fourth], 'partition 0 has other content'],
    [
      'a byte that moved from the value to the key',
      [[0, 'ao', 'ne'], second, third, fourth],
      'partition 0 has other content',
    ],
    [
      'null that became empty',
      [first, second, [1, '', 'three'], fourth],
      'partition 1 has other content',
    ],
  ])('shows %s', (_, copy, fault) => {
    expect(faultsOf(copy)).toEqual([fault])
  })

  test('shows a record that went to another partition', () => {
    expect(faultsOf([first, [1, 'b', 'two'], third, fourth])).toHaveLength(2)
  })
})
