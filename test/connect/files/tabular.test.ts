import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { DuckDb, fileFault, sqlText } from '../../../src/connect/files/duckdb.ts'
import type { InputFile } from '../../../src/connect/files/input-files.ts'
import { openTable, tableLines } from '../../../src/connect/files/tabular.ts'
import { fieldRules } from '../../../src/formats/json/field-rules.ts'
import { folderWith } from '../../support/folder.ts'

let maker: Awaited<ReturnType<DuckDBInstance['connect']>>
let duckdb: DuckDb
const pipes = mkdtempSync(join(tmpdir(), 'tidemark-pipes-'))
beforeAll(async () => {
  maker = await (await DuckDBInstance.create(':memory:')).connect()
  duckdb = await DuckDb.open(pipes)
})
afterAll(() => {
  duckdb.close()
  maker.closeSync()
  rmSync(pipes, { recursive: true })
})

const schema = z.object({
  text: z.string(),
  number: z.number(),
  flag: z.boolean(),
  mayBeNull: z.number().nullable(),
  mayBeAbsent: z.number().optional(),
  either: z.union([z.string(), z.number()]),
  list: z.array(z.number()),
})

async function lines(path: string, kind: InputFile['kind']): Promise<string[]> {
  const table = await openTable({ path, kind, bytes: 1 }, duckdb)
  const chunks: Buffer[] = []
  for await (const chunk of tableLines(table, duckdb, fieldRules(schema))) chunks.push(chunk)
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1)
}

async function ofCsv(csv: string): Promise<string[]> {
  return lines(join(folderWith({ 'a.csv': csv }), 'a.csv'), 'csv')
}

async function ofParquet(select: string): Promise<string[]> {
  const path = join(folderWith({}), 'a.parquet')
  await maker.run(`COPY (${select}) TO ${sqlText(path)} (FORMAT parquet)`)
  return lines(path, 'parquet')
}

test.each([
  ['text', '007', '"007"'],
  ['text', 'true', '"true"'],
  ['text', '""', '""'],
  ['text', ' a ', '" a "'],
  ['text', '"a ""b"", c\nd"', JSON.stringify('a "b", c\nd')],
  ['text', 'é😀', '"é😀"'],
  ['text', '', 'null'],
  ['number', '7', '7'],
  ['number', '-7.50', '-7.50'],
  ['number', '1e3', '1e3'],
  ['number', '9007199254740991', '9007199254740991'],
  ['number', '9007199254740993', '"9007199254740993"'],
  ['number', '9'.repeat(45), `"${'9'.repeat(45)}"`],
  ['number', '0.1234567890123456789', '0.1234567890123456789'],
  ['number', '007', '"007"'],
  ['number', 'n/a', '"n/a"'],
  ['number', ' 7', '" 7"'],
  ['number', '', 'null'],
  ['flag', 'TRUE', 'true'],
  ['flag', '0', '"0"'],
  ['either', '7', '"7"'],
  ['unknown', '7', '"7"'],
  ['mayBeNull', '', 'null'],
])('%s of CSV that is %j becomes %s', async (field, cell, json) => {
  expect(await ofCsv(`${field},other\n${cell},x\n`)).toEqual([`{"${field}":${json},"other":"x"}`])
})

test.each([
  ['text', '7::INTEGER', '"7"'],
  ['text', '9007199254740993::BIGINT', '"9007199254740993"'],
  ['text', "'007'", '"007"'],
  ['text', '1.5::DOUBLE', '1.5'],
  ['number', '7::TINYINT', '7'],
  ['number', '9007199254740991::BIGINT', '9007199254740991'],
  ['number', '9007199254740993::BIGINT', '"9007199254740993"'],
  ['number', '-9007199254740993::BIGINT', '"-9007199254740993"'],
  ['number', '18446744073709551615::UBIGINT', '"18446744073709551615"'],
  ['number', '12.50::DECIMAL(9,2)', '12.50'],
  ['number', '9007199254740993::DECIMAL(20,0)', '"9007199254740993"'],
  ['number', '0.1::FLOAT', String(Math.fround(0.1))],
  ['number', '1e300::DOUBLE', '1e+300'],
  ['number', "'nan'::DOUBLE", 'null'],
  ['number', "'7'", '"7"'],
  ['number', "TIMESTAMP '2026-01-05 00:00:00.123'", '1767571200123'],
  ['number', "TIMESTAMP_NS '2026-01-05 00:00:00.123'", '1767571200123'],
  ['number', "TIMESTAMPTZ '2026-01-05 02:00:00+02'", '1767571200000'],
  ['number', "DATE '2026-01-05'", '1767571200000'],
  ['number', "DATE '1969-12-31'", '-86400000'],
  ['number', 'NULL::INTEGER', 'null'],
  ['flag', 'true', 'true'],
  ['list', '[1, 2]', '[1,2]'],
  ['list', '[1, 2]::BIGINT[]', '[1,2]'],
  ['list', '[1.5]::DECIMAL(4,1)[]', '[1.5]'],
  [
    'list',
    '[9007199254740991, 9007199254740993, NULL]',
    '[9007199254740991,"9007199254740993",null]',
  ],
  ['list', "[0.5::FLOAT, 'nan', '-inf', NULL]", '[0.5,null,null,null]'],
  ['list', "[[1e300, 'inf'], NULL]::DOUBLE[][]", '[[1e300,null],null]'],
  ['unknown', "{'a': 'b'}", '{"a":"b"}'],
  [
    'unknown',
    `{'a "b"': {'c''d': 9007199254740993, 'e': ['nan'::DOUBLE]}, 'f': NULL::STRUCT(g BIGINT)}`,
    `{"a \\"b\\"":{"c'd":"9007199254740993","e":[null]},"f":null}`,
  ],
  ['unknown', "[{'id': 9007199254740993::DECIMAL(20,0)}]", '[{"id":"9007199254740993"}]'],
  [
    'unknown',
    "MAP {'a': {'b': -9007199254740993}, 'c': {'b': 1}}",
    '{"a":{"b":"-9007199254740993"},"c":{"b":1}}',
  ],
  ['unknown', "['2026-01-05'::TIMESTAMP]", '["2026-01-05 00:00:00"]'],
  ['mayBeNull', 'NULL::BIGINT', 'null'],
])('%s of Parquet that is %s becomes %s', async (field, sql, json) => {
  const rows = await ofParquet(`SELECT ${sql} AS "${field}", 'x' AS other`)
  expect(rows).toEqual([`{"${field}":${json},"other":"x"}`])
})

test('a field that may be absent, but not null, is left out where there is no value', async () => {
  expect(await ofCsv('mayBeAbsent,text,other\n,,\n1,a,\n')).toEqual([
    '{"text":null,"other":null}',
    '{"mayBeAbsent":1,"text":"a","other":null}',
  ])
  const select = 'SELECT NULL::INTEGER AS "mayBeAbsent" UNION ALL SELECT 1'
  expect(await ofParquet(select)).toEqual(['{}', '{"mayBeAbsent":1}'])
})

test('odd names of columns are those of the fields', async () => {
  const names = ['a"b', "c'd", 'e\\f', 'g h', 'é']
  const columns = names.map((name) => `1 AS "${name.replaceAll('"', '""')}"`)
  const [row] = await ofParquet(`SELECT ${columns.join(', ')}`)
  expect(JSON.parse(row as string)).toEqual(Object.fromEntries(names.map((name) => [name, 1])))
})

test('rows stay in order, and quotes are known however late the first one comes', async () => {
  const plain = Array.from({ length: 30_000 }, (_, i) => `${i},plain`)
  const rows = await ofCsv(`number,text\n${plain.join('\n')}\n30000,"a,\nb"\n`)
  expect(rows.map((row) => (JSON.parse(row) as { number: number }).number)).toEqual(
    rows.map((_, i) => i),
  )
  expect(rows[30_000]).toBe('{"number":30000,"text":"a,\\nb"}')
})

const PLAIN = 'a,b\n1,2\n'

test.each([
  ['more fields', `${PLAIN}1,2,3,4\n`, 'number of fields in line 3: 4, in the first line: 2'],
  ['fewer fields', 'a,b\n1\n', 'number of fields in line 2: 1, in the first line: 2'],
  ['quotes around commas', `${PLAIN}"a, ""b""\n,",2,"3,4"\n`, 'number of fields in line 3: 3'],
  ['a late one', `${PLAIN.repeat(30_000)}1,2,3\n`, 'number of fields in line 60001: 3'],
  ['text behind a quote', `${PLAIN}1,"2"x\n`, 'line 3: Value with unterminated quote found.'],
  ['bytes of no UTF-8', Buffer.from('a,b\n1,\xff2\n', 'latin1'), 'line 2: Invalid unicode'],
])('a line of CSV that breaks the form is told without its values: %s', async (_, csv, told) => {
  const path = join(folderWith({ 'a.csv': '' }), 'a.csv')
  writeFileSync(path, csv)
  const input = lines(path, 'csv').catch(fileFault)
  expect(await input).toMatch(told)
  expect(await input).not.toContain('\n')
})

test('a line of CSV that begins as comments do elsewhere is a row', async () => {
  expect(await ofCsv('text,other\n#a,b\n#c,d\ne,f\n')).toEqual([
    '{"text":"#a","other":"b"}',
    '{"text":"#c","other":"d"}',
    '{"text":"e","other":"f"}',
  ])
})

test('a file that is no Parquet is refused', async () => {
  const path = join(folderWith({ 'a.parquet': 'PAR1' }), 'a.parquet')
  await expect(lines(path, 'parquet')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: path,
  })
})
