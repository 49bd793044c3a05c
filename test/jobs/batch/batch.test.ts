import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sqlText } from '../../../src/connect/files/duckdb.ts'
import { tidemark } from '../../support/command-line.ts'
import { folderWith } from '../../support/folder.ts'
import { ROOT } from '../../support/paths.ts'
import {
  batch,
  INPUT,
  LINES,
  type Line,
  ORDERS,
  orders,
  parsed,
  partsOf,
  placesOf,
} from './order-batches.ts'

const MINUTES = join(ROOT, 'test/fixtures/topologies/order-minutes.ts')

/** A topology whose model is not there. */
const OWN = `import { defineTopology, minutes, onnxModel, seconds } from ${JSON.stringify(join(ROOT, 'dist/index.js'))}
import { z } from ${JSON.stringify(join(ROOT, 'node_modules/zod/index.js'))}
const model = onnxModel({
  name: 'none',
  version: '1',
  file: new URL('../../cli/batch/none.onnx', import.meta.url),
  sha256: '${'0'.repeat(64)}',
  input: 'features',
  features: ['count'],
  outputs: { score: { tensor: 'score', column: 0 } },
})
export default defineTopology('own', (t) =>
  t
    .source('orders', {
      schema: z.object({ id: z.union([z.string(), z.number()]), shop: z.string(), at: z.int() }),
      key: (o) => o.shop,
      eventTimeMs: (o) => o.at,
      watermark: { lag: seconds(30), maxAhead: 'none' },
      onLate: 'drop',
    })
    .features((f) => ({ count: f.events({}).rolling(minutes(1)).count() }))
    .score(model)
    .map((s) => ({ score: s.score.score }))
    .sink('scores'),
)
`

let sql: Awaited<ReturnType<DuckDBInstance['connect']>>
beforeAll(async () => {
  sql = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => sql.closeSync())

const valueOf = (line: Line) =>
  Object.fromEntries(Object.entries(line).filter(([name]) => !name.startsWith('tidemark-')))

/** Outputs and dead letters of `dev`, in an order of their own. */
async function dev(topology: string, input: string) {
  const letters = join(folderWith({}), 'letters')
  const args = ['dev', topology, '--input', input, '--dead-letters', letters]
  const { code, stdout } = await tidemark(args)
  expect(code).toBe(0)
  const outputs = stdout.split('\n').slice(0, -1)
  const dead = existsSync(letters) ? parsed(letters) : []
  return { outputs: outputs.sort(), dead: placesOf(dead, 'line') }
}

const outputsIn = (folder: string) =>
  Object.values(partsOf(folder))
    .flat()
    .map((line) => JSON.stringify(valueOf(line)))
    .sort()

async function parquetAndCsv(folder: string, ndjson: string): Promise<void> {
  const read = `read_json(${sqlText(ndjson)}, format = 'newline_delimited', sample_size = -1)`
  await sql.run(`COPY (FROM ${read}) TO ${sqlText(join(folder, 'in.parquet'))} (FORMAT parquet)`)
  await sql.run(`COPY (FROM ${read}) TO ${sqlText(join(folder, 'in.csv'))} (FORMAT csv, HEADER)`)
}

test('outputs of NDJSON, CSV and Parquet are those of dev, to the bit', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  await parquetAndCsv(folder, join(folder, 'in.ndjson'))
  const expected = await dev(ORDERS, join(folder, 'in.ndjson'))
  expect(expected.dead.length).toBeGreaterThan(10)
  let first: unknown = null
  for (const name of ['in.ndjson', 'in.csv', 'in.parquet']) {
    const args = ['--input', join(folder, name), '--overwrite']
    expect(await batch(ORDERS, folder, ...args)).toMatchObject({ code: 0 })
    expect(outputsIn(join(folder, 'out/risks'))).toEqual(expected.outputs)
    const dead = Object.values(partsOf(join(folder, 'out/orders.dlq'))).flat()
    expect(placesOf(dead, 'row')).toEqual(expected.dead)
    expect(new Set(dead.map(({ file }) => file))).toEqual(new Set([join(folder, name)]))
    const places = dead.map(({ partition, offset, code }) => [partition, offset, code].join(' '))
    const all = { risks: partsOf(join(folder, 'out/risks')), places: places.sort() }
    first ??= all
    expect(all).toEqual(first)
  }
})

test('two workers write what one writes', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const args = ['--input', join(folder, 'in.ndjson'), '--overwrite']
  await batch(ORDERS, folder, ...args)
  const one = partsOf(join(folder, 'out'))
  const { code } = await batch(ORDERS, folder, ...args, '--workers', '2')
  expect(code).toBe(0)
  expect(partsOf(join(folder, 'out'))).toEqual(one)
})

test('a bad line ends a worker that has no lines, too', async () => {
  const order = { ...JSON.parse(LINES[0] as string), partition: 0, note: '.'.repeat(10_000) }
  // So many bytes that workers have begun when the bad line comes.
  const good = `${JSON.stringify(order)}\n`.repeat(500)
  const folder = folderWith({ 'orders.ndjson': `${good}${LINES[1]}\n` })
  const input = join(folder, 'orders.ndjson')
  const args = ['--input', input, '--partition-column', 'partition', '--workers', '2']
  const { code, stderr } = await batch(ORDERS, folder, ...args)
  expect([code, stderr]).toEqual([3, expect.stringContaining(`${input}:501`)])
})

test('rows have the features that the outputs were made from', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const args = ['--input', join(folder, 'in.ndjson'), '--overwrite']
  await batch(ORDERS, folder, ...args)
  const outputs = Object.values(partsOf(join(folder, 'out/risks'))).flat()
  const run = await batch(ORDERS, folder, ...args, '--rows', '--with', 'id,country')
  expect(run.code).toBe(0)
  const rows = Object.values(partsOf(join(folder, 'out/rows'))).flat()
  const byId = new Map(rows.map((row) => [row['id'], row]))
  expect(rows.length).toBe(byId.size)
  for (const output of outputs) {
    const row = byId.get(output['id']) as Line
    const { amount, count, mean, rate } = row as Record<string, number>
    const risk = ((mean as number) * (count as number)) / (amount as number) + (rate ?? 0)
    expect(output['risk']).toBe(risk)
    const [, partition, offset] = String(output['tidemark-id']).split('/').map(Number)
    const { country, at } = output
    expect(row).toMatchObject({ country, eventTime: at, partition, offset, late: false })
  }
  // Of an amount of 0, there is a row, but no finite risk.
  const more = rows.filter(({ id }) => !outputs.some((output) => output['id'] === id))
  expect(new Set(more.map(({ amount }) => amount))).toEqual(new Set([0]))
  expect(Object.keys(rows[0] as Line)).toEqual(
    'key eventTime partition offset late warming id country amount count mean rate'.split(' '),
  )
})

test('rows need no model, and have labels', async () => {
  const [order] = orders(1)
  const { id, at } = JSON.parse(order as string) as { id: string; at: number }
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'own.ts': OWN,
    'in.ndjson': order as string,
    'labels.csv': `order,fraud,knownAt\n${id},1,${at + 1_000}\n`,
  })
  const args = ['--input', join(folder, 'in.ndjson'), '--overwrite']
  expect((await batch(join(folder, 'own.ts'), folder, ...args)).code).toBe(3)
  const labels = ['--labels', join(folder, 'labels.csv'), '--label-by', 'order=id']
  const columns = ['--label', 'fraud', '--label-at', 'knownAt', '--within', '1h']
  const run = await batch(join(folder, 'own.ts'), folder, ...args, '--rows', ...labels, ...columns)
  expect(run).toMatchObject({ code: 0 })
  const rows = Object.values(partsOf(join(folder, 'out/rows'))).flat()
  expect(rows).toEqual([
    expect.objectContaining({ id, label: 1, labelState: 'labelled', count: 1 }),
  ])
  expect(run.stderr).not.toContain('have no label')
})

test('ids beyond 2^53 label their own events, and it is told when most rows have no label', async () => {
  const at = Date.UTC(2026, 0, 1)
  const ids = ['9007199254740992', '9007199254740993', '9007199254740994']
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'own.ts': OWN,
    'in.ndjson': ids.map((id, i) => `{"id":${id},"shop":"s","at":${at + i}}`).join('\n'),
    'labels.csv': `id,fraud,at\n${ids[1]},1,${at + 1_000}\n`,
  })
  const args = ['--input', join(folder, 'in.ndjson'), '--rows', '--with', 'at']
  const labels = ['--labels', join(folder, 'labels.csv'), '--label-by', 'id']
  const columns = ['--label', 'fraud', '--label-at', 'at', '--within', '1h']
  const run = await batch(join(folder, 'own.ts'), folder, ...args, ...labels, ...columns)
  const rows = Object.values(partsOf(join(folder, 'out/rows'))).flat()
  expect(rows.map(({ label }) => label)).toEqual([null, 1, null])
  expect([run.code, run.stderr]).toEqual([
    0,
    expect.stringContaining('! 66.7 % of rows have no label'),
  ])
})

test('windows that are open at the end are closed, and set aside if they have no score', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const input = join(folder, 'in.ndjson')
  const expected = await dev(MINUTES, input)
  expect((await batch(MINUTES, folder, '--input', input)).code).toBe(0)
  expect(outputsIn(join(folder, 'out/shares'))).toEqual(expected.outputs)
  const dead = Object.values(partsOf(join(folder, 'out/orders.dlq'))).flat()
  const codes = expected.dead.map((of) => String(of.split(' ')[1]))
  expect(dead.map(({ code }) => String(code)).sort()).toEqual(codes.sort())
  expect(dead.filter(({ row }) => row === null).length).toBeGreaterThan(0)
})

test('Parquet has the columns of the outputs, and says in the manifest what it was made from', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const args = ['--input', join(folder, 'in.ndjson'), '--overwrite']
  await batch(ORDERS, folder, ...args)
  const lines = Object.values(partsOf(join(folder, 'out/risks'))).flat()
  await batch(ORDERS, folder, ...args, '--format', 'parquet', '--compression', 'zstd')
  const from = sqlText(join(folder, 'out/risks/*.parquet'))
  const result = await sql.runAndReadAll(`SELECT * EXCLUDE "tidemark-scored-at" FROM ${from}`)
  const rows = result.getRowObjectsJson().map((row) => ({ ...row, at: Number(row['at']) }))
  const byId = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
  expect(rows.sort(byId)).toEqual(lines.sort(byId))
  const manifest = JSON.parse(readFileSync(join(folder, 'out/_manifest.json'), 'utf8')) as {
    readonly outcomes: Record<string, number>
    readonly parts: readonly { file: string; rows: number }[]
  }
  expect(manifest).toMatchObject({ topology: 'orders', partitions: 6, outcomes: { records: 400 } })
  const risks = manifest.parts.filter(({ file }) => file.startsWith('risks/'))
  expect(risks.reduce((sum, part) => sum + part.rows, 0)).toBe(lines.length)
  expect(existsSync(join(folder, 'out/_SUCCESS'))).toBe(true)
})

test('by time, the events of an input in any order are scored as in order', async () => {
  const at = (line: string) => (JSON.parse(line) as { at: number }).at
  const valid = LINES.filter((line) => !line.includes('"amount":-'))
  const inOrder = [...valid].sort((a, b) => at(a) - at(b))
  const folder = folderWith({ 'in.ndjson': valid.join('\n'), 'ordered.ndjson': inOrder.join('\n') })
  await batch(ORDERS, folder, '--input', join(folder, 'ordered.ndjson'))
  const expected = partsOf(join(folder, 'out/risks'))
  await batch(
    ORDERS,
    folder,
    '--input',
    join(folder, 'in.ndjson'),
    '--order',
    'time',
    '--overwrite',
  )
  expect(partsOf(join(folder, 'out/risks'))).toEqual(expected)
})

test('an export has the ids and the dead letters that its events had in the log', async () => {
  const positions = [3, 7, 8, 9, 30].map((offset, i) => ({
    ...JSON.parse(LINES[i] as string),
    p: 2,
    o: offset,
  }))
  const rows = positions.map(
    (row) => `${row.id},${row.shop},${row.country ?? ''},${row.amount},${row.at},${row.p},${row.o}`,
  )
  const folder = folderWith({
    'in.ndjson': positions.map((of) => JSON.stringify(of)).join('\n'),
    'in.csv': ['id,shop,country,amount,at,p,o', ...rows].join('\n'),
  })
  for (const name of ['in.ndjson', 'in.csv']) {
    const where = ['--partition-column', 'p', '--offset-column', 'o']
    const run = await batch(ORDERS, folder, '--input', join(folder, name), ...where, '--overwrite')
    expect(run).toMatchObject({ code: 0 })
    const parts = partsOf(join(folder, 'out'))
    const places = [
      ...(parts['risks/part-00002.ndjson'] ?? []).map(
        (of) => String(of['tidemark-id']).split('/')[2],
      ),
      ...(parts['orders.dlq/part-00002.ndjson'] ?? []).map((of) => String(of['offset'])),
    ]
    expect(places.map(Number).sort((a, b) => a - b)).toEqual([3, 7, 8, 9, 30])
  }
})

test('an output that is there is kept, unless it is to be replaced', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const args = ['--input', join(folder, 'in.ndjson')]
  await batch(ORDERS, folder, ...args)
  writeFileSync(join(folder, 'out/mine'), '')
  const refused = await batch(ORDERS, folder, ...args)
  expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('--overwrite')])
  expect(existsSync(join(folder, 'out/mine'))).toBe(true)
  expect((await batch(ORDERS, folder, ...args, '--overwrite')).code).toBe(0)
  expect(existsSync(join(folder, 'out/mine'))).toBe(false)
  const again = await batch(ORDERS, folder, ...args, '--resume')
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('is complete already')])
  const other = await batch(ORDERS, folder, ...args, '--resume', '--partitions', '2')
  expect(other.code).toBe(3)
})

test('what is no output of a batch is never replaced, nor an output with the input in it', async () => {
  const folder = folderWith({ 'in/orders.ndjson': INPUT, 'orders.ndjson': INPUT })
  await batch(ORDERS, folder, '--input', join(folder, 'orders.ndjson'))
  for (const [output, input, why] of [
    ['in', 'in/*', 'is no output of a batch'],
    ['orders.ndjson', 'orders.ndjson', 'is no output of a batch'],
    ['out', 'out/risks/*', 'is in the output that would be replaced'],
  ] as const) {
    const where = ['--input', join(folder, input), '--output', join(folder, output)]
    const { code, stderr } = await tidemark(['batch', ORDERS, ...where, '--overwrite'])
    expect([code, stderr]).toEqual([3, expect.stringContaining(why)])
  }
  expect(readdirSync(join(folder, 'in'))).toEqual(['orders.ndjson'])
  expect(readFileSync(join(folder, 'orders.ndjson'), 'utf8')).toBe(INPUT)
  expect(existsSync(join(folder, 'out/_SUCCESS'))).toBe(true)
})

test('what an interrupted run left is continued only by the same', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const args = ['--input', join(folder, 'in.ndjson'), '--resume']
  await batch(ORDERS, folder, ...args, '--fail-above', '1')
  const other = await batch(ORDERS, folder, ...args, '--partitions', '2')
  expect([other.code, other.stderr]).toEqual([3, expect.stringContaining('without --resume')])
  writeFileSync(join(folder, 'in.ndjson'), `${INPUT}{}\n`)
  expect((await batch(ORDERS, folder, ...args)).code).toBe(3)
})

test('many late events are told with the orders in which rows know nothing of later', async () => {
  const at = (line: string) => (JSON.parse(line) as { at: number }).at
  const backwards = [...LINES].sort((a, b) => at(b) - at(a))
  const folder = folderWith({ 'in.ndjson': backwards.join('\n') })
  const { stderr } = await batch(ORDERS, folder, '--input', join(folder, 'in.ndjson'))
  expect(stderr).toMatch(
    /% of the events are late; .*as events arrived, or --partition-column and --offset-column/,
  )
})

test('a second run on one output is refused, with who makes it', async () => {
  const lock = JSON.stringify({ host: hostname(), process: process.ppid })
  const folder = folderWith({ 'in.ndjson': INPUT, '_temporary/out.lock': lock })
  const { code, stderr } = await batch(ORDERS, folder, '--input', join(folder, 'in.ndjson'))
  expect([code, stderr]).toEqual([3, expect.stringContaining(`process ${process.ppid} on`)])
})

test.each([
  ['--with', 'country', 'add --rows'],
  ['--labels', 'x', 'add --rows'],
  ['--known-to', '2026-01-01', 'add --rows'],
  ['--known-to', '2099-01-01', 'is not past'],
  ['--known-to', 'soon', 'is not past'],
  ['--partition-by', 'none', '"none" is in no output'],
  ['--partition-by', '../../../X', 'is not a field name'],
  ['--partition-by', '..\\X', 'is not a field name'],
  ['--partition-by', ':day', 'is not a field name'],
  ['--compression', 'zstd', 'add --format parquet'],
  ['--offset-column', 'o', 'add --partition-column'],
  ['--within', 'soon', 'must be a time such as'],
  ['--input', 'none-*.ndjson', 'no file fits this glob'],
  ['--table', 'rates=none.ndjson', 'no table "rates"'],
])('%s %s is refused: %s', async (flag, value, hint) => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const { code, stderr } = await batch(
    ORDERS,
    folder,
    '--input',
    join(folder, 'in.ndjson'),
    flag,
    value,
  )
  expect([code, stderr]).toEqual([code === 2 ? 2 : 3, expect.stringContaining(hint)])
  expect(existsSync(join(folder, 'out'))).toBe(false)
})

test('rows are refused in the order of time: they would know of what had not arrived', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const args = ['--input', join(folder, 'in.ndjson'), '--rows', '--order', 'time']
  const { code, stderr } = await batch(ORDERS, folder, ...args)
  expect([code, stderr]).toEqual([
    3,
    expect.stringMatching(/what came later\n.*--order\n.*--offset-column/),
  ])
  expect(existsSync(join(folder, 'out'))).toBe(false)
})

test('labels that cannot be read are refused', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const labels = '--labels none.csv --label-by id=id --label y --label-at at --within 24h'
  const args = ['--input', join(folder, 'in.ndjson'), '--rows', ...labels.split(' ')]
  const { code, stderr } = await batch(ORDERS, folder, ...args)
  expect([code, stderr]).toEqual([3, expect.stringMatching(/cannot read the file.*\n +none\.csv/)])
})

test('Ctrl-C ends it with 130, and it is told that --resume continues', async () => {
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'stops.ts': `export { default } from ${JSON.stringify(ORDERS)}\nprocess.emit('SIGINT', 'SIGINT')`,
    'in.ndjson': INPUT,
  })
  const args = ['--input', join(folder, 'in.ndjson')]
  const { code, stderr } = await batch(join(folder, 'stops.ts'), folder, ...args)
  expect([code, stderr]).toEqual([130, expect.stringContaining('--resume')])
  expect(existsSync(join(folder, 'out'))).toBe(false)
})
