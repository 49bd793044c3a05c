import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { start } from '../services/tidemark-in-test.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

const TOPOLOGY = join(ROOT, 'topologies/card-fraud.ts')
const sample = readFileSync(join(ROOT, 'topologies/samples/payments.tsv'), 'utf8')
const lines = sample.trimEnd().split('\n')
const few = lines.slice(0, 50)
const values = lines.map((line) => line.slice(line.indexOf('\t') + 1))

interface Prediction {
  readonly paymentId: string
  readonly probability: number
}

const parse = (ndjson: string) =>
  ndjson
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Prediction)

const byId = (predictions: readonly Prediction[]) =>
  new Map(predictions.map((p) => [p.paymentId, p.probability]))

test('every event of stdin has its prediction on stdout, and stderr adds up', async () => {
  const { code, stdout, stderr } = await tidemark(['dev', TOPOLOGY], { stdin: sample })
  expect(code).toBe(0)
  const tally = /^([\d,]+) in = (\d+) scored \+ (\d+) skipped \+ (\d+) late \+ (\d+) dead$/m
  const [read, scored, skipped, late, dead] = (tally.exec(stderr) ?? []).slice(1).map(Number)
  expect(read).toBe(lines.length)
  expect((scored ?? 0) + (skipped ?? 0) + (late ?? 0) + (dead ?? 0)).toBe(read)
  expect(parse(stdout)).toHaveLength(scored ?? -1)
})

test("a line without a key is scored by the topology's own key, from a file or from .gz", async () => {
  const ownKeys = values.slice(0, few.length).join('\n')
  const folder = folderWith({ 'bare.ndjson': ownKeys })
  const zipped = join(folder, 'bare.ndjson.gz')
  writeFileSync(zipped, gzipSync(ownKeys))
  const keyed = await tidemark(['dev', TOPOLOGY], { stdin: few.join('\n') })
  const bare = await tidemark(['dev', TOPOLOGY, '--input', join(folder, 'bare.ndjson')])
  const unzipped = await tidemark(['dev', TOPOLOGY, '--input', zipped])
  expect(byId(parse(bare.stdout))).toEqual(byId(parse(keyed.stdout)))
  expect(byId(parse(unzipped.stdout))).toEqual(byId(parse(keyed.stdout)))
})

test('a dead letter is shown with its line and kept with its reason and its bytes', async () => {
  const folder = folderWith({})
  const file = join(folder, 'dead.ndjson')
  const bad = Buffer.concat([
    Buffer.from(`${values[0]}\n\nnot json\nk\t`),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('\nk\t{"paymentId":1}\n'),
  ])
  const notJson = 'the value is not JSON at byte 1 (line 1, column 2)'
  const args = ['dev', TOPOLOGY, '--dead-letters', file]
  const { code, stdout, stderr } = await tidemark(args, { stdin: bad })
  expect(code).toBe(0)
  expect(parse(stdout)).toHaveLength(1)
  expect(stderr).toContain(`✗ line 3  JSON_INVALID  ${notJson}\n`)
  expect(stderr).toContain('4 in = 1 scored + 0 skipped + 0 late + 3 dead\n')
  const kept = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  expect(kept).toHaveLength(3)
  expect(kept).toEqual(
    expect.arrayContaining([
      {
        line: 3,
        code: 'JSON_INVALID',
        step: 'decode',
        message: notJson,
        key: '',
        value: 'not json',
      },
      {
        line: 4,
        code: 'NOT_UTF8',
        step: 'decode',
        message: 'the value is not UTF-8',
        key: 'k',
        value: { base64: '//4=' },
      },
      expect.objectContaining({ line: 5, code: 'SCHEMA_INVALID', value: '{"paymentId":1}' }),
    ]),
  )
})

test('only the first dead letters are shown', async () => {
  const { stderr } = await tidemark(['dev', TOPOLOGY], { stdin: 'x\n'.repeat(25) })
  expect(stderr.match(/^✗ line/gm)).toHaveLength(10)
  expect(stderr).toContain('  and 15 more; --dead-letters FILE keeps them all\n')
})

/** A small topology of an author's own, with a function that throws on an event without a shop. */
const OWN = {
  'package.json': '{"type":"module"}',
  'own.ts': `import { defineTopology, seconds } from ${JSON.stringify(join(ROOT, 'dist/index.js'))}
import { z } from ${JSON.stringify(join(ROOT, 'node_modules/zod/index.js'))}
const Event = z.object({ key: z.string(), at: z.number(), shop: z.any().optional() })
function shopOf(event) {
  return event.shop.name.toUpperCase()
}
export default defineTopology('own', (t) =>
  t
    .source('events', {
      schema: Event,
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .map((e) => ({ shop: shopOf(e) }))
    .tumbling(seconds(10))
    .aggregate({}, (a) => ({ n: a.count() }))
    .sink('out'),
)
`,
}
const NOON_MS = Date.UTC(2026, 0, 1, 12)
const own = (key: string, second: number, shop?: { name: string }) =>
  JSON.stringify({ key, at: NOON_MS + second * 1_000, shop })

test("what an author's function threw is shown with its line, message and stack", async () => {
  const cwd = folderWith(OWN)
  const stdin = [own('a', 0, { name: 'x' }), own('a', 1), own('a', 2, { name: 'y' })].join('\n')
  const args = ['dev', 'own.ts', '--dead-letters', 'dead.ndjson']
  const { code, stderr } = await start(args, { cwd, stdin }).ended
  expect(code).toBe(0)
  expect(
    stderr.replaceAll(cwd, '…'),
  ).toContain(`✗ line 2  FUNCTION_THREW  step "map" threw TypeError
  TypeError: Cannot read properties of undefined (reading 'name')
      at shopOf (…/own.ts:5:21)
      at <anonymous> (…/own.ts:16:26)
3 in =`)
  const kept = JSON.parse(readFileSync(join(cwd, 'dead.ndjson'), 'utf8')) as { thrown: string }
  expect(kept.thrown).toMatch(/^TypeError: .*\n +at shopOf /)
})

test('the number of partitions decides what is late', async () => {
  const file = join(folderWith(OWN), 'own.ts')
  const shop = { name: 'x' }
  const stdin = [own('a', 60, shop), own('b', 0, shop)].join('\n')
  const one = await tidemark(['dev', file, '--partitions', '1'], { stdin })
  const six = await tidemark(['dev', file], { stdin })
  const none = await tidemark(['dev', file, '--partitions', '0'], { stdin })
  expect(one.stderr).toContain('2 in = 0 scored + 1 windowed + 0 skipped + 1 late + 0 dead')
  expect(six.stderr).toContain('2 in = 0 scored + 2 windowed + 0 skipped + 0 late + 0 dead')
  expect(none.code).toBe(2)
})

test('--max-ahead none takes events that are far in the future', async () => {
  const future = JSON.stringify({
    ...(JSON.parse(values[0] ?? '') as object),
    paidAt: 4_000_000_000_000,
  })
  const guarded = await tidemark(['dev', TOPOLOGY], { stdin: future })
  expect(guarded.stderr).toContain('✗ line 1  FUTURE')
  const open = await tidemark(['dev', TOPOLOGY, '--max-ahead', 'none'], { stdin: future })
  expect(open.stderr).toContain('1 in = 1 scored')
})

test('predictions come while the input goes on; SIGINT ends it with 0', async () => {
  const run = start(['dev', TOPOLOGY], { stdin: null })
  run.process.stdin.write(`${lines[0]}\n`)
  await new Promise((resolve) => run.process.stdout.once('data', resolve))
  run.process.kill('SIGINT')
  const { code, stdout, stderr } = await run.ended
  expect(code).toBe(0)
  expect(parse(stdout)).toHaveLength(1)
  expect(stderr).toContain('1 in = 1 scored')
})

test('a reader of stdout that has had enough ends it quietly', async () => {
  const many = sample.repeat(10)
  const run = start(['dev', TOPOLOGY, '--max-ahead', 'none'], { stdin: many })
  run.process.stdout.once('data', () => run.process.stdout.destroy())
  const { code, stderr } = await run.ended
  expect(code).toBe(0)
  expect(stderr).not.toContain('EPIPE')
})

test('a table in a topic has the rows of a file, or is told to be empty', async () => {
  const topology = join(ROOT, 'test/runtime/tables/merchants.ts')
  const payment = (merchant: string) =>
    `${JSON.stringify({ card: 'c-1', merchant, amount: 10, at: Date.UTC(2026, 0, 1) })}\n`
  const folder = folderWith({
    'merchants.tsv': 'a\t{"risk":0.5}\nb\t{"risk":0.25}\nb\t\n',
    'bare.ndjson': '{"risk":0.5}\n',
  })
  const stdin = payment('a')
  const rows = (name: string) => ['--table', `merchants=${join(folder, name)}`]
  const given = await tidemark(['dev', topology, ...rows('merchants.tsv')], { stdin })
  const none = await tidemark(['dev', topology], { stdin })
  const bare = await tidemark(['dev', topology, ...rows('bare.ndjson')], { stdin })
  const unknown = await tidemark(['dev', topology, '--table', 'planes=x'], { stdin })
  expect(JSON.parse(given.stdout)).toMatchObject({ merchant: 'a', risk: 0.5 })
  expect(none.stderr).toContain('table "merchants" is empty: give its rows with --table merchants=')
  expect([bare.code, bare.stderr]).toEqual([
    3,
    expect.stringContaining('table "merchants", line 1: it has no key: write key<TAB>JSON'),
  ])
  expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining('it has: merchants')])
})

test('the scores of a shadow are not among the predictions', async () => {
  const shadowed = join(ROOT, 'test/golden/topologies/card-shadow.ts')
  const stdin = few.join('\n')
  const { code, stdout } = await tidemark(['dev', shadowed], { stdin })
  expect(code).toBe(0)
  const fields = parse(stdout).map((output) => Object.keys(output as object))
  expect(fields).not.toHaveLength(0)
  expect(fields).not.toContainEqual(['model', 'score', 'main'])
})

test('models run on the first provider that works, and a note says once why not on those before', async () => {
  const topology = join(ROOT, 'topologies/card-models.ts')
  const stdin = few.join('\n')
  const onCpu = await tidemark(['dev', topology], { stdin })
  vi.stubEnv('CUDA_VISIBLE_DEVICES', '-1')
  const providers = ['--providers', 'tensorrt,cuda,cpu']
  const other = await tidemark(['dev', topology, ...providers], { stdin })
  expect(other.code).toBe(0)
  expect(byId(parse(other.stdout))).toEqual(byId(parse(onCpu.stdout)))
  expect(other.stderr.split('\n').filter((line) => line.includes('does not use'))).toEqual([
    expect.stringMatching(/^! ONNX Runtime does not use tensorrt: lib\S+: cannot open shared/),
    expect.stringMatching(/^! ONNX Runtime does not use cuda: \S/),
  ])
})
