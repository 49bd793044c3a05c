import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PartFiles } from '../../../src/connect/files/part-files.ts'
import type { NewRecord } from '../../../src/connect/port.ts'
import { BatchOutputs, checkFolders } from '../../../src/jobs/batch/outputs.ts'
import { folderWith } from '../../support/folder.ts'

const PART = 'part-00003.ndjson'

async function outputs(partitionBy: string | null = null) {
  const folder = folderWith({})
  const parts = await PartFiles.open(folder, {})
  const of = new BatchOutputs({
    parts,
    kinds: {},
    deadLetterTopic: 'orders.dlq',
    partitionBy,
    sourceOf: (_, offset) => ({ file: 'orders.csv', row: offset + 1 }),
    rowOf: null,
  })
  const linesOf = async (path: string) => {
    await parts.sync()
    const lines = readFileSync(join(folder, path, PART), 'utf8')
      .trimEnd()
      .split('\n')
    return lines.map((line) => JSON.parse(line) as unknown)
  }
  return { folder, parts, of, linesOf }
}

const header = (name: string, value: string) => ({ name, value: Buffer.from(value) })

function output(value: unknown, offset = 0): NewRecord {
  const headers = [header('tidemark-id', `orders/3/${offset}/risks`)]
  const parts = { key: null, value: Buffer.from(JSON.stringify(value)), timestampMs: 0, headers }
  return { topic: 'risks', partition: null, ...parts }
}

const add = (of: BatchOutputs, values: readonly unknown[]) =>
  of.add({ outputs: values.map((value) => output(value)), deadLetters: [] })

test.each([
  [{ country: 'DE' }, 'country', 'country=DE'],
  [{ country: 'a/b =%ä..' }, 'country', 'country=a%2Fb %3D%25ä..'],
  [{ country: '..' }, 'country', 'country=..'],
  [{ country: '\0\n\x7f' }, 'country', 'country=%00%0A%7F'],
  [{ '..%': 1 }, '..%', '..%25=1'],
  [{ country: null }, 'country', 'country=__HIVE_DEFAULT_PARTITION__'],
  [{}, 'country', 'country=__HIVE_DEFAULT_PARTITION__'],
  [{ country: '' }, 'country', 'country=__HIVE_DEFAULT_PARTITION__'],
  [{ country: '\ud800' }, 'country', 'country=\ufffd'],
  [{ n: 7 }, 'n', 'n=7'],
  [{ is: true }, 'is', 'is=true'],
  [{ shop: { id: 7 } }, 'shop.id', 'shop.id=7'],
  [{ at: Date.UTC(2026, 0, 5, 23, 59, 59, 999) }, 'at:day', 'at=2026-01-05'],
  [{ at: '2026-01-06T00:30:00+01:00' }, 'at:day', 'at=2026-01-05'],
  [{ at: 'soon' }, 'at:day', 'at=__HIVE_DEFAULT_PARTITION__'],
])('%j by %s is in %s', async (value, by, expected) => {
  const { of, linesOf } = await outputs(by)
  add(of, [value])
  const id = { 'tidemark-id': 'orders/3/0/risks' }
  expect(await linesOf(`risks/${expected}`)).toEqual([{ ...value, ...id }])
})

test('a thousand values have a folder each, one more is refused', async () => {
  const { of } = await outputs('n')
  add(
    of,
    Array.from({ length: 1_000 }, (_, n) => ({ n })),
  )
  add(of, [{ n: 7 }])
  expect(() => add(of, [{ n: 1_000 }])).toThrow('"n" has more than 1000 values')
})

test('an output whose folder would have a name above 255 bytes is no output', async () => {
  const { of } = await outputs('word')
  const bytes = 255 - 'word='.length
  const longest = 'é'.repeat(bytes / 2)
  expect(() => of.check(output({ word: longest }))).not.toThrow()
  for (const word of [`${longest}x`, '/'.repeat(bytes / 2), 'x'.repeat(5_000)]) {
    expect(() => of.check(output({ word }))).toThrow(
      expect.objectContaining({
        code: 'OUTPUT_INVALID',
        message: expect.not.stringContaining(word),
      }),
    )
  }
})

function saved(names: readonly string[], kinds: Record<string, readonly 'text'[]> = {}) {
  const parts = names.map((name, i) => [`risks/${name}/part-${i}.ndjson`, SIZE] as const)
  const sizes = { ...Object.fromEntries(parts), 'orders.dlq/part-00000.ndjson': SIZE }
  const letters = { 'orders.dlq': { code: ['text'] as const } }
  return { identity: '', partitions: {}, sizes, kinds: { risks: kinds, ...letters } }
}
const SIZE = { bytes: 1, rows: 1, labelled: 0 }

test('folders of all workers together are at most a thousand', () => {
  const names = Array.from({ length: 1_001 }, (_, n) => `n=${n}`)
  expect(() => checkFolders('n', saved(names.slice(1)), false)).not.toThrow()
  expect(() => checkFolders('n', saved(names), false)).toThrow('"n" has more than 1000 values')
})

test('a field that no output has is refused, whatever dead letters and objects have', () => {
  const none = (field: string) => [`${field}=__HIVE_DEFAULT_PARTITION__`]
  for (const field of ['code', 'constructor', 'shop.id']) {
    const check = () => checkFolders(field, saved(none(field)), false)
    expect(check).toThrow(`"${field}" is in no output`)
  }
  expect(() => checkFolders('at:day', saved(none('at'), { at: ['text'] }), false)).not.toThrow()
  expect(() => checkFolders('n', saved([]), false)).not.toThrow()
})

test('values that are one folder on this file system are refused', () => {
  for (const names of [
    ['n=A', 'n=a'],
    ['n=\u00e9', 'n=e\u0301'],
  ]) {
    expect(() => checkFolders('n', saved(names), false)).not.toThrow()
    expect(() => checkFolders('n', saved(names), true)).toThrow('"n" has values that differ only')
  }
})

test('an output that is no object is a column of its own', async () => {
  const { of, linesOf } = await outputs()
  add(of, [7, 'text', null, [1]])
  const id = { 'tidemark-id': 'orders/3/0/risks' }
  const values = [7, 'text', null, [1]]
  expect(await linesOf('risks')).toEqual(values.map((value) => ({ value, ...id })))
  expect(of.kinds).toEqual({
    risks: {
      value: ['integer', 'text', 'null', 'json'],
      'tidemark-id': ['text'],
    },
  })
})

test('a dead letter says where it was and why, whatever its bytes are', async () => {
  const { of, linesOf, parts, folder } = await outputs('n')
  const own = (name: string, value: string) => header(`tidemark.${name}`, value)
  const headers = [
    own('code', 'LATE'),
    own('stage', 'features'),
    own('message', 'too late'),
    header('__streams.errors.partition', '3'),
    header('__streams.errors.offset', '41'),
  ]
  const value = Buffer.from([0xff])
  const letter = { key: Buffer.from('k'), value, timestampMs: 0, headers, partition: null }
  of.add({
    outputs: [],
    deadLetters: ['orders.dlq', 'risks.dlq'].map((topic) => ({ ...letter, topic })),
  })
  const why = { code: 'LATE', step: 'features', message: 'too late' }
  const place = { file: 'orders.csv', row: 42, partition: 3, offset: 41 }
  const bytes = { key: 'k', value: { base64: '/w==' } }
  expect(await linesOf('orders.dlq')).toEqual([{ ...place, ...why, ...bytes }])
  await parts.sync()
  expect(existsSync(join(folder, 'risks.dlq'))).toBe(false)
})
