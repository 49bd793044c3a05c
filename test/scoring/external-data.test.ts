import { createHash } from 'node:crypto'
import { readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { readModel } from '../../src/scoring/unchecked-model.ts'
import { folderWith } from '../support/folder.ts'

const FILE = 'mlp-external.onnx'
const DATA = 'mlp-external.data'
const at = (name: string) => readFileSync(new URL(`../exports/${name}`, import.meta.url))
const [model, data] = [at(FILE), at(DATA)]

/** The model with weights in another place, whose name has as many characters. */
function naming(place: string): Buffer {
  expect(place.length).toBe(DATA.length)
  return Buffer.from(model.toString('latin1').replaceAll(DATA, place), 'latin1')
}

const read = (folder: string) => readModel(pathToFileURL(join(folder, FILE)), 'here')

test('the sha256 covers the file and its weights', async () => {
  const { sha256, size } = await read(folderWith({ [FILE]: model, [DATA]: data }))
  expect(sha256).toBe(createHash('sha256').update(model).update(data).digest('hex'))
  expect(size).toBe(model.length + data.length)
  const changed = Buffer.from(data)
  changed[0] = (changed[0] as number) ^ 1
  const other = await read(folderWith({ [FILE]: model, [DATA]: changed }))
  expect(other.sha256).not.toBe(sha256)
})

test.each<{ are: string; place: string; found?: Buffer; why: RegExp }>([
  { are: 'missing', place: DATA, why: /ENOENT/ },
  { are: 'cut', place: DATA, found: data.subarray(1), why: /it has \d+ bytes of \d+/ },
  {
    are: 'above the folder, even if missing',
    place: '../nothing-at-all',
    why: /not in the folder/,
  },
  { are: 'absolute', place: '/no/such/file.dat', why: /not in the folder/ },
  { are: 'the folder itself', place: './../folder/././', why: /not in the folder|not a file/ },
])('weights that are $are are refused by name', async ({ place, found, why }) => {
  const parent = folderWith({
    [`folder/${FILE}`]: naming(place.padEnd(DATA.length, '/')),
    ...(found && { [`folder/${DATA}`]: found }),
  })
  await expect(read(join(parent, 'folder'))).rejects.toMatchObject({
    code: 'MODEL_FILE',
    message: expect.stringMatching(why),
    where: 'here',
  })
})

test('a link out of the folder is refused', async () => {
  const parent = folderWith({ [`folder/${FILE}`]: model, outside: data })
  symlinkSync('../outside', join(parent, 'folder', DATA))
  await expect(read(join(parent, 'folder'))).rejects.toThrow(/not in the folder of the model/)
})
