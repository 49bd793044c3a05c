import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { OutputReader } from '../../../src/connect/files/output-lines.ts'
import type { Header } from '../../../src/connect/port.ts'
import { WrittenRecords } from '../../../src/connect/written-records.ts'
import { ByteRoom } from '../../../src/kernel/bytes.ts'
import { runs } from '../../support/runs.ts'

interface Output {
  readonly key: string | null
  readonly value: unknown
  readonly headers: readonly Header[]
}

function written(outputs: readonly Output[]): WrittenRecords {
  const records = new WrittenRecords()
  for (const { key, value, headers } of outputs) {
    const parts = {
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(JSON.stringify(value)),
      timestampMs: 1,
      headers,
    }
    records.write(parts, 'scores', null)
  }
  return records
}

function linesOf(outputs: readonly Output[]) {
  const records = written(outputs)
  const [reader, room] = [new OutputReader(), new ByteRoom(64)]
  const partitions = outputs.map((_, index) => {
    reader.read(records, index)
    reader.append(room)
    return reader.partition
  })
  const text = Buffer.from(room.bytes.subarray(0, room.used)).toString()
  return { partitions, lines: text.split('\n').slice(0, -1), names: reader.names }
}

const header = (name: string, value: string): Header => ({ name, value: Buffer.from(value) })

const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', '"', '\\', '\n', '\u0000', 'ä', '"}\n', '\u{1f600}'),
)
const marks = fc.array(
  fc.tuple(fc.constantFrom('tidemark-by', 'tidemark-model', 'trace'), odd).map(([name, value]) => {
    return header(name, value)
  }),
  { maxLength: 3 },
)
// Once JSON.parse of Node 24.21 has read a name that is a backslash, it reads \u0000 as one too: no
// name has either.
// Many outputs in a row have the same headers, behind their own ids.
const output = fc.record({
  key: fc.option(odd),
  value: fc.oneof(
    fc.dictionary(
      odd.filter((name) => name !== '__proto__' && !/[\0\\]/.test(name)),
      fc.jsonValue({ maxDepth: 1 }),
      {
        maxKeys: 3,
      },
    ),
    fc.jsonValue({ maxDepth: 1 }),
  ),
  partition: fc.nat(12_345),
  id: odd.filter((text) => !text.includes('/')),
})

test('a line is the value with the headers of Tidemark as further fields', () => {
  const groups = fc.array(fc.tuple(marks, fc.array(output, { maxLength: 4 })), { maxLength: 4 })
  fc.assert(
    fc.property(groups, (all) => {
      const outputs = all.flatMap(([headers, of]) =>
        of.map(({ key, value, partition, id }) => {
          const text = `${id}/${partition}/7/scores`
          return { key, value, partition, headers: [header('tidemark-id', text), ...headers] }
        }),
      )
      const { lines, partitions } = linesOf(outputs)
      expect(partitions).toEqual(outputs.map(({ partition }) => partition))
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
        outputs.map(({ value: given, headers }) => {
          // JSON has no −0.
          const value = JSON.parse(JSON.stringify(given)) as unknown
          const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
          const own = headers.filter(({ name }) => name.startsWith('tidemark-'))
          return {
            ...(isObject ? value : { value }),
            ...Object.fromEntries(own.map((of) => [of.name, String(of.value)])),
          }
        }),
      )
    }),
    { numRuns: runs(2_000) },
  )
})

test('the names of all headers are told, because they are columns of the outputs', () => {
  const { names } = linesOf([
    { key: null, value: {}, headers: [header('tidemark-id', 'a/0/1'), header('trace', 'x')] },
    { key: null, value: {}, headers: [header('tidemark-id', 'a/0/2'), header('tidemark-by', 'x')] },
  ])
  expect([...names].sort()).toEqual(['tidemark-by', 'tidemark-id'])
})
