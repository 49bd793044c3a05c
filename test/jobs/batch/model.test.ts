import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { DuckDb, sqlText } from '../../../src/connect/files/duckdb.ts'
import { modelOfFile } from '../../../src/host/model-of-file.ts'
import { loadSingle } from '../../../src/scoring/models.ts'
import { tidemark } from '../../support/command-line.ts'
import { folderWith } from '../../support/folder.ts'

const MODEL = 'test/fixtures/models/card-gbdt.model.ts'
const MLP = 'test/fixtures/models/card-mlp.onnx'
const PAIRS = 'test/fixtures/models/card-gbdt-2col.onnx'

interface Golden {
  readonly features: readonly string[]
  readonly inputs: readonly (readonly (number | null)[])[]
}

const golden = JSON.parse(
  readFileSync('test/fixtures/models/card-gbdt.golden.json', 'utf8'),
) as Golden
const FEATURES = golden.features

/** Rows with other columns around their features. */
const ROWS = golden.inputs.slice(0, 40).map((inputs, i) => ({
  paymentId: `p-"${i}"`,
  ...Object.fromEntries(FEATURES.map((name, at) => [name, inputs[at] ?? null])),
  paidAt: 1_767_225_600_000 + i,
}))
/** More than DuckDB has in a chunk. */
const MANY = Array.from({ length: 2_500 }, (_, i) => ({
  ...(ROWS[(i * 7) % ROWS.length] as Row),
  paymentId: `p-"${i}"`,
  paidAt: i,
}))
type Row = Readonly<Record<string, unknown>>

const ndjson = (rows: readonly Row[]) => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`

async function scoresOf(file: string, rows: readonly Row[]) {
  const model = await modelOfFile(file)
  const { scorer } = await loadSingle(model, { evaluator: 'auto', latencyBudgetMs: 10_000 })
  const values = rows.flatMap((row) => FEATURES.map((name) => row[name] ?? Number.NaN))
  const { columns } = await scorer.score(Float32Array.from(values as number[]), rows.length)
  await scorer.close()
  return columns.map((column) => [...column])
}

/** The rows of a table in the folder of an output. */
async function tableIn(path: string) {
  const duckdb = await DuckDb.open(path)
  const files = readdirSync(path).map((name) => join(path, name))
  const read = files[0]?.endsWith('.parquet') ? 'read_parquet' : 'read_json'
  const from = `FROM ${read}([${files.map(sqlText).join(', ')}])`
  const names = (await duckdb.rows(`DESCRIBE SELECT * ${from}`)).map(([name]) => String(name))
  const rows = await duckdb.rows(`SELECT * ${from}`)
  duckdb.close()
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]]))) as Row[]
}

async function convert(from: string, to: string) {
  const duckdb = await DuckDb.open(folderWith({}))
  await duckdb.run(`COPY (SELECT * FROM read_json(${sqlText(from)})) TO ${sqlText(to)}`)
  duckdb.close()
}

/** Scores a file of rows. @returns how the command has ended, and where its output is */
async function score(input: string, { model = MODEL, flags = [] as string[] } = {}) {
  const output = join(folderWith({}), 'out')
  const args = ['batch', '--model', model, '--input', input, '--output', output, ...flags]
  return { ...(await tidemark(args)), output }
}

describe('tidemark batch --model', () => {
  let scores: readonly number[]
  beforeAll(async () => {
    scores = (await scoresOf(MODEL, ROWS))[0] as number[]
  })

  test.each([
    ['ndjson', 'parquet'],
    ['csv', 'ndjson'],
    ['parquet', 'parquet'],
  ])(
    'keeps the rows of %s as they are, in order, with the scores of the model, as %s',
    async (kind, format) => {
      const folder = folderWith({ 'rows.ndjson': ndjson(MANY) })
      const input = join(folder, `rows.${kind}`)
      const [all] = await scoresOf(MODEL, MANY)
      if (kind !== 'ndjson') await convert(join(folder, 'rows.ndjson'), input)
      const { code, stderr, output } = await score(input, { flags: ['--format', format] })
      expect([code, stderr]).toEqual([0, expect.any(String)])
      const rows = await tableIn(join(output, 'rows'))
      expect(rows.map((row) => row['probability'])).toEqual(all)
      expect(Object.keys(rows[0] as Row)).toEqual([...Object.keys(MANY[0] as Row), 'probability'])
      expect(rows.map((row) => row['paymentId'])).toEqual(MANY.map((row) => row.paymentId))
      expect(rows.map((row) => Number(row['paidAt']))).toEqual(MANY.map((row) => row.paidAt))
      expect(rows.map((row) => row['amount'] && Number(row['amount']))).toEqual(
        MANY.map((row: Row) => row['amount']),
      )
      const manifest = JSON.parse(readFileSync(join(output, '_manifest.json'), 'utf8'))
      expect(manifest).toMatchObject({
        models: [{ model: 'card-gbdt@1' }],
        inputs: [{ file: input }],
        outcomes: { records: 2_500, scored: 2_500, dead: 0 },
        parts: [{ rows: 2_500 }],
      })
    },
  )

  test('leaves the text of a row of JSON as it is', async () => {
    const text = JSON.stringify({ ...ROWS[0], big: 0, deep: { a: [null] } }).replace(
      '0,"deep',
      '12345678901234567890,  "deep',
    )
    const { output } = await score(join(folderWith({ 'a.ndjson': `${text}  \r\n` }), 'a.ndjson'))
    const written = readFileSync(join(output, 'rows/part-00000.ndjson'), 'utf8')
    expect(written).toBe(`${text.slice(0, -1)},"probability":${scores[0]}}\n`)
  })

  test('keeps a row that the model cannot take, without scores, and lists it', async () => {
    const { amount: _, ...lacking } = ROWS[1] as Row
    const rows = [ROWS[0], lacking, { ...ROWS[2], count5m: 'many' }, { ...ROWS[3], sum1h: 1e300 }]
    const text = `${ndjson(rows as Row[])}not JSON\n{}\n${ndjson([{ ...ROWS[4], amount: null }])}`
    const folder = folderWith({ 'rows.ndjson': text })
    const input = join(folder, 'rows.ndjson')
    const { code, stdout, stderr, output } = await score(input)
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toContain('7 in = 2 scored + 0 skipped + 0 late + 5 dead')
    expect(stderr).toContain('71.4 % of the records are dead letters, in dead-letters')
    const [ofNull] = (await scoresOf(MODEL, [{ ...ROWS[4], amount: null }])) as [number[]]
    const written = await tableIn(join(output, 'rows'))
    expect(written.map((row) => row['probability'])).toEqual([
      ...[scores[0], null, null, null, null, null],
      ...ofNull,
    ])
    expect(written[2]).toMatchObject({ paymentId: 'p-"2"', count5m: '"many"' })
    const letters = await tableIn(join(output, 'dead-letters'))
    const told = letters.map(({ file, row, column }) => [file, Number(row), column])
    expect(told).toEqual([
      [input, 2, 'amount'],
      [input, 3, 'count5m'],
      [input, 4, 'sum1h'],
      [input, 5, 'amount'],
      [input, 6, 'amount'],
    ])
  })

  test('finds the same rows of Parquet unfit, also those whose score is no number', async () => {
    const rows = [ROWS[0], { ...ROWS[1], amount: 1e300 }, { ...ROWS[2], sum1h: null }] as Row[]
    const folder = folderWith({ 'rows.ndjson': ndjson(rows) })
    const input = join(folder, 'rows.parquet')
    await convert(join(folder, 'rows.ndjson'), input)
    const options = { model: MLP, flags: ['--format', 'parquet'] }
    const { code, stderr, output } = await score(input, options)
    expect([code, stderr]).toEqual([0, expect.any(String)])
    const [first] = (await scoresOf(MLP, rows))[0] as number[]
    const written = await tableIn(join(output, 'rows'))
    expect(written.map((row) => row['probability'])).toEqual([first, null, null])
    const letters = await tableIn(join(output, 'dead-letters'))
    const told = letters.map(({ file, row, column }) => [file, Number(row), column])
    expect(told).toEqual([
      [input, 2, 'amount'],
      [input, 3, 'probability'],
    ])
  })

  test('names several columns of an output as `model evaluate` does', async () => {
    const input = join(folderWith({ 'rows.ndjson': ndjson(ROWS) }), 'rows.ndjson')
    const { output } = await score(input, { model: PAIRS })
    const names = Object.keys((await tableIn(join(output, 'rows')))[0] as Row).slice(-2)
    const written = await tableIn(join(output, 'rows'))
    const all = await scoresOf(PAIRS, ROWS)
    expect(names).toEqual(['probabilities.c0', 'probabilities.c1'])
    expect(names.map((name) => written.map((row) => row[name]))).toEqual(all)
  })

  test('refuses tables without some features, or with an output, before a row is read', async () => {
    const text = 'probability,amount,count5m\n1,2,3\n'
    const input = join(folderWith({ 'rows.csv': text }), 'rows.csv')
    const { code, stderr, output } = await score(input)
    expect(code).toBe(3)
    const missing = FEATURES.filter((name) => !['amount', 'count5m'].includes(name))
    expect(stderr).toContain(`lacks ${missing.join(', ')}`)
    expect(stderr).toContain('has "probability" already')
    expect(existsSync(output)).toBe(false)
  })

  test('refuses a feature that is not a column of numbers in Parquet', async () => {
    const folder = folderWith({ 'rows.ndjson': ndjson([{ ...ROWS[0], sum5m: 'much' }]) })
    await convert(join(folder, 'rows.ndjson'), join(folder, 'rows.parquet'))
    const { code, stderr } = await score(join(folder, 'rows.parquet'))
    expect([code, stderr]).toEqual([3, expect.stringContaining('"sum5m" is VARCHAR, not a number')])
  })

  test('refuses lines that have an output, and publishes nothing', async () => {
    const rows = [ROWS[0], { ...ROWS[1], probability: 1 }] as Row[]
    const input = join(folderWith({ 'rows.ndjson': ndjson(rows) }), 'rows.ndjson')
    const { code, stderr, output } = await score(input)
    expect([code, existsSync(output)]).toEqual([3, false])
    expect(stderr).toContain('has "probability" already')
  })

  test('publishes nothing over an output that is there, or with too many dead letters', async () => {
    const input = join(folderWith({ 'rows.ndjson': `${ndjson(ROWS)}{}\n` }), 'rows.ndjson')
    const first = await score(input, { flags: ['--fail-above', '2'] })
    expect([first.code, existsSync(first.output)]).toEqual([1, false])
    const args = ['batch', '--model', MODEL, '--input', input, '--output', first.output]
    expect((await tidemark(args)).code).toBe(0)
    expect((await tidemark(args)).stderr).toContain('the output exists already')
    expect((await tidemark([...args, '--overwrite'])).code).toBe(0)
  })

  test.each([
    ['--model card=card.onnx', 'there is no topology, and not the file of one model'],
    ['--model a.onnx --model b.onnx', 'there is no topology, and not the file of one model'],
    ['', 'there is no topology, and not the file of one model'],
    ['--model a.onnx --order time', 'needs a topology\n  --order'],
    ['topologies/card-fraud.ts --model a.onnx', '"a.onnx" is not name=file'],
  ])('batch %s: %s', async (words, told) => {
    const args = words.split(' ').filter((word) => word !== '')
    const { code, stderr } = await tidemark(['batch', ...args, '--input', 'x', '--output', 'y'])
    expect(code).toBe(3)
    expect(stderr).toContain(told)
  })
})
