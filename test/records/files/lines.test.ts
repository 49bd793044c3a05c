import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { array, assert, asyncProperty, constantFrom } from 'fast-check'
import { expect, test } from 'vitest'
import { type Line, linesOf, openInput, splitKey } from '../../../src/records/files/lines.ts'
import { folderWith } from '../../support/folder.ts'

async function collect(stream: Readable): Promise<[number, string][]> {
  const lines: Line[] = []
  for await (const batch of linesOf(stream)) lines.push(...batch)
  return lines.map(({ number, bytes }) => [number, bytes.toString('latin1')])
}

const piece = array(constantFrom(10, 10, 9, 65, 0xc3, 0xff), { maxLength: 12 })

test('however a stream is cut, its lines are the same, numbered from 1, without the empty ones', async () => {
  await assert(
    asyncProperty(array(piece, { maxLength: 6 }), async (pieces) => {
      const whole = Buffer.from(pieces.flat()).toString('latin1')
      const expected = whole.split('\n').flatMap((line, i) => (line === '' ? [] : [[i + 1, line]]))
      const cut = pieces.filter((p) => p.length > 0).map((p) => Buffer.from(p))
      expect(await collect(Readable.from(cut))).toEqual(expected)
    }),
  )
})

test('the byte order mark that Windows programs write is no part of the first line', async () => {
  const cut = [Buffer.from([0xef, 0xbb]), Buffer.from([0xbf, 65, 10, 0xef, 0xbb, 0xbf, 66])]
  expect(await collect(Readable.from(cut))).toEqual([
    [1, 'A'],
    [2, '\xef\xbb\xbfB'],
  ])
})

test('a .gz file is unpacked', async () => {
  const folder = folderWith({})
  writeFileSync(join(folder, 'a.gz'), gzipSync('one\ntwo'))
  expect(await collect(await openInput(join(folder, 'a.gz')))).toEqual([
    [1, 'one'],
    [2, 'two'],
  ])
})

test('input that cannot be read is a fault of the command line', async () => {
  const folder = folderWith({ 'broken.gz': 'not gzip' })
  const missing = openInput(join(folder, 'none'))
  await expect(missing).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  const stream = await openInput(join(folder, 'broken.gz'))
  await expect(collect(stream)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test.each([
  ['k\t{"a":1}', 'k', '{"a":1}'],
  ['\tnull', '', 'null'],
  ['k\ta\tb', 'k', 'a\tb'],
  ['{"a":\t1}', null, '{"a":\t1}'],
  ['nonsense', null, 'nonsense'],
])('%j has its key before the first tab, unless it begins as JSON', (line, key, value) => {
  const split = splitKey(Buffer.from(line))
  expect([split.key?.toString() ?? null, split.value.toString()]).toEqual([key, value])
})
