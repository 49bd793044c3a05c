import { expect, test } from 'vitest'
import { LineBook } from '../../src/cli/embedded.ts'

test('a record leads to its line until what was committed is forgotten', () => {
  const book = new LineBook()
  const add = (partition: number, offset: number, line: number) =>
    book.add({ topic: 't', partition, offset }, line)
  add(0, 0, 1)
  add(1, 0, 2)
  add(0, 1, 3)
  expect([book.lineAt(0, 1), book.lineAt(1, 0)]).toEqual([3, 2])
  book.forget(0, 1)
  book.forget(0, 1)
  add(0, 2, 4)
  expect([book.lineAt(0, 0), book.lineAt(0, 1), book.lineAt(0, 2)]).toEqual([undefined, 3, 4])
  book.forget(0, 3)
  expect(book.lineAt(0, 2)).toBe(undefined)
})
