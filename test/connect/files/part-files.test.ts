import { readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PartFiles, type PartSizes, partName } from '../../../src/connect/files/part-files.ts'
import { folderWith } from '../../support/folder.ts'

const A = partName('scores', 0)
const B = partName('scores/country=DE', 12)

function add(parts: PartFiles, name: string, ...lines: readonly string[]): void {
  const part = parts.part(name)
  for (const line of lines) {
    part.room.text(`${line}\n`)
    part.rows++
  }
}

test('what was written after the sizes that are known is cut off, and written anew', async () => {
  const folder = folderWith({})
  const before = await PartFiles.open(folder, {})
  add(before, A, 'one', 'two')
  const sizes = await before.sync()
  expect(sizes).toEqual({ [A]: { bytes: 8, rows: 2, labelled: 0 } })
  add(before, A, 'lost')
  add(before, B, 'lost as a whole')
  await before.sync()

  const after = await PartFiles.open(folder, sizes)
  add(after, A, 'three')
  add(after, B, 'x')
  expect(await after.sync()).toEqual({
    [A]: { bytes: 14, rows: 3, labelled: 0 },
    [B]: { bytes: 2, rows: 1, labelled: 0 },
  })
  expect(readFileSync(join(folder, A), 'utf8')).toBe('one\ntwo\nthree\n')
  expect(readFileSync(join(folder, B), 'utf8')).toBe('x\n')
})

test('lines are in a file, in order, whether much or little of them was flushed', async () => {
  const folder = folderWith({})
  const parts = await PartFiles.open(folder, {})
  const lines: string[] = []
  for (let round = 0; round < 12; round++) {
    const line = `${round}`.repeat(round % 3 === 0 ? 200_000 : 10)
    lines.push(line)
    add(parts, A, line)
    await parts.flush()
  }
  const sizes: PartSizes = await parts.sync()
  expect(readFileSync(join(folder, A), 'utf8') === `${lines.join('\n')}\n`).toBe(true)
  expect(sizes[A]).toEqual({ rows: 12, labelled: 0, bytes: lines.join('\n').length + 1 })
})

test('a full disk is told with the part that could not be written', async () => {
  const folder = folderWith({})
  const parts = await PartFiles.open(folder, {})
  add(parts, A, 'one')
  await parts.sync()
  const path = join(folder, A)
  rmSync(path)
  symlinkSync('/dev/full', path)
  add(parts, A, 'two')
  const message = `ENOSPC: no space left on device, write '${path}'`
  await expect(parts.sync()).rejects.toMatchObject({ code: 'ENOSPC', path, message })
})

test('a part without lines is no file, and has no size', async () => {
  const parts = await PartFiles.open(folderWith({}), {})
  add(parts, A)
  expect(await parts.sync()).toEqual({})
})
