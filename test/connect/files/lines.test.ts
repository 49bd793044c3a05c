import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { array, assert, asyncProperty, constantFrom, integer, oneof, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import {
  blocksOf,
  type Line,
  linesOf,
  openInput,
  splitKey,
} from '../../../src/connect/files/lines.ts'
import { folderWith } from '../../support/folder.ts'
import { runs } from '../../support/runs.ts'

async function collect(stream: Readable): Promise<[number, string][]> {
  const lines: Line[] = []
  for await (const batch of linesOf(stream)) lines.push(...batch)
  return lines.map(({ number, bytes }) => [number, bytes.toString('latin1')])
}

const piece = array(constantFrom(10, 10, 13, 9, 65, 0xc3, 0xff), { maxLength: 12 })

function linesIn(text: string): [number, string][] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
  return lines.flatMap((line, i) => (line === '' ? [] : [[i + 1, line]]))
}

test('however a stream is cut, its lines are the same, numbered from 1, without the empty ones', async () => {
  await assert(
    asyncProperty(array(piece, { maxLength: 6 }), async (pieces) => {
      const expected = linesIn(Buffer.from(pieces.flat()).toString('latin1'))
      const cut = pieces.filter((p) => p.length > 0).map((p) => Buffer.from(p))
      expect(await collect(Readable.from(cut))).toEqual(expected)
    }),
  )
})

async function inBlocks(chunks: readonly Buffer[]): Promise<[number, string][]> {
  const lines: [number, string][] = []
  for await (const { memory, starts, ends, numbers } of blocksOf(streamed(chunks))) {
    for (const [line, start] of starts.entries()) {
      const bytes = memory.buffer.subarray(start, ends[line])
      lines.push([numbers[line] as number, bytes.toString('latin1')])
    }
  }
  return lines
}

async function* streamed(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks
}

/** Lines of which some fill a block, which has a MiB, and others are longer than one. */
const lineBytes = oneof(
  { weight: 12, arbitrary: integer({ min: 0, max: 40 }) },
  { weight: 2, arbitrary: integer({ min: 0, max: 300_000 }) },
  { weight: 1, arbitrary: integer({ min: 2 ** 20 - 3, max: 3 * 2 ** 20 }) },
)

test('the lines of blocks are those of the stream, however it is cut and however long they are', async () => {
  await assert(
    asyncProperty(
      array(tuple(lineBytes, constantFrom('\n', '\n\n', '\r\n')), { maxLength: 12 }),
      tuple(constantFrom('', '\n', '\xef\xbb\xbf', '\xef\xbb\xbf\n'), constantFrom('', 'last')),
      array(integer({ min: 1, max: 700_000 }), { minLength: 1, maxLength: 8 }),
      async (lines, [first, last], sizes) => {
        const texts = lines.map(([bytes, end], line) => `${'a'.repeat(bytes)}${line}${end}`)
        const whole = Buffer.from(`${first}${texts.join('')}${last}`, 'latin1')
        const cut: Buffer[] = []
        for (let at = 0; at < whole.length; ) {
          // The last one, because a MiB in pieces of some bytes takes long.
          const bytes = sizes[cut.length % (sizes.length + 1)] ?? 400_000
          cut.push(whole.subarray(at, at + bytes))
          at += bytes
        }
        const expected = linesIn(whole.toString('latin1').replace(/^\xef\xbb\xbf/, ''))
        const found = await inBlocks(cut)
        expect(found.map(([number]) => number)).toEqual(expected.map(([number]) => number))
        // Texts of megabytes are too long to be printed.
        expect(found.every(([, line], i) => line === expected[i]?.[1])).toBe(true)
      },
    ),
    { numRuns: runs(40) },
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
