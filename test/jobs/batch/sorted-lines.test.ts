import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineTopology, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fileRow, InputLines } from '../../../src/connect/files/input-lines.ts'
import { sortByTime, sortedBlocks } from '../../../src/jobs/batch/sorted-lines.ts'
import { folderWith } from '../../support/folder.ts'

type TimeOf = (event: { at: number }, record: { timestampMs: number }) => number

function sourceOf(eventTimeMs: TimeOf | 'record') {
  const { source } = defineTopology('visits', (t) =>
    t
      .source('visits', {
        schema: z.object({ at: z.number() }),
        key: () => 'k',
        eventTimeMs,
        watermark: { lag: seconds(1) },
        onLate: 'drop',
      })
      .map((v) => ({ at: v.at }))
      .sink('out'),
  )
  return source
}

async function sorted(folder: string, timeOf: TimeOf | 'record') {
  const input = await InputLines.open([join(folder, '*.ndjson')], () => null, folder)
  const path = join(folder, 'sorted')
  await sortByTime(input, sourceOf(timeOf), path)
  const ordered = await InputLines.open([path], () => null, folder)
  const lines: [number, Buffer][] = []
  for await (const { memory, starts, ends, places } of sortedBlocks(ordered)) {
    for (const [line, start] of starts.entries()) {
      const bytes = Buffer.from(memory.buffer.subarray(start, ends[line]))
      lines.push([fileRow(input.files, places[line] as number).row, bytes])
    }
  }
  input.close()
  return lines
}

const FIRST_MS = Date.UTC(2026, 0, 1)
const at = (second: number, more = '') => `{"at":${FIRST_MS + second * 1_000}${more}}`

test('lines come by time, equal times in their order, and a line without a time behind the one before it', async () => {
  const lines = [
    Buffer.from(at(9)),
    Buffer.from('nonsense "with, quotes\t'),
    Buffer.from(at(3, ',"n":1')),
    Buffer.from([0xff, 0x01, 0x00, 0x0d, 0x02]),
    Buffer.from(at(7)),
    Buffer.from(`k\x01é\t${at(1)}`),
    Buffer.from(at(3, ',"n":"é\\u0001"')),
    Buffer.from('{"at":-5}'),
    Buffer.from(at(2)),
    Buffer.from(`{"at":${FIRST_MS},\r"long":"${'x'.repeat(2 ** 21)}"}`),
    Buffer.from(`k\t${at(5)}`),
  ]
  const folder = folderWith({})
  writeFileSync(join(folder, 'a.ndjson'), '')
  for (const [i, line] of lines.entries()) {
    const end = Buffer.from(i % 2 === 0 ? '\r\n' : '\n')
    appendFileSync(join(folder, 'a.ndjson'), Buffer.concat([line, end]))
  }
  const found = await sorted(folder, (v) => v.at)
  expect(found.map(([row]) => row)).toEqual([6, 9, 10, 3, 4, 7, 8, 11, 5, 1, 2])
  expect(found.filter(([row, bytes]) => !bytes.equals(lines[row - 1] as Buffer))).toEqual([])
})

test('a time that is not in the event alone is refused', async () => {
  const folder = folderWith({ 'a.ndjson': at(1) })
  const refused = { code: 'NOT_SUPPORTED' }
  await expect(sorted(folder, 'record')).rejects.toMatchObject(refused)
  await expect(sorted(folder, (v, r) => v.at + r.timestampMs)).rejects.toMatchObject(refused)
})

test('a line that is too long to be sorted is refused with its place', async () => {
  const folder = folderWith({ 'a.ndjson': `${at(1)}\n${'x'.repeat(2 ** 22)}` })
  const where = join(folder, 'a.ndjson:2')
  await expect(sorted(folder, (v) => v.at)).rejects.toMatchObject({ code: 'CONFIG_INVALID', where })
})
