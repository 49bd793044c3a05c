import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { WORKER_OPTIONS } from '../../src/runtime/config.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const page = read('docs/embedding.md')
const PROGRAM = 'test/host/page/batch.ts'

test('docs/embedding.md shows the examples that are run, word for word and all of them', () => {
  const all = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] as string)
  const blocks = all.filter((block) => block.startsWith('/**') || block.startsWith('export'))
  const programs = all.filter((block) => !blocks.includes(block))
  const program = read(PROGRAM).replace(/'[./]*\/topologies\/card-fraud.ts'/, "'./topology.ts'")
  expect(programs).toEqual([program])
  const source = read('test/host/page/service.ts')
  expect(blocks.filter((block) => !source.includes(block))).toEqual([])
  expect(blocks).toHaveLength([...source.matchAll(/^export /gm)].length)
})

test('docs/embedding.md names every option', () => {
  const own = [...read('src/host/options.ts').matchAll(/^ {2}readonly (\w+)\?:/gm)]
  const names = [...WORKER_OPTIONS, ...own.map((match) => match[1])]
  expect(names.length).toBeGreaterThan(20)
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})

test('the program with a batch scores the sample, and prints its folders and outcomes', () => {
  const sample = read('topologies/samples/payments.tsv')
  const folder = folderWith({ 'sample.ndjson': sample })
  const args = ['--import', import.meta.resolve('tsx'), '--conditions=tidemark-source']
  const program = [...args, join(ROOT, PROGRAM)]
  const printed = execFileSync(process.execPath, program, { cwd: folder, encoding: 'utf8' })
  const [, rows] = /^predictions: (\d+) rows in 6 files$/m.exec(printed) ?? []
  const [, scored] = /scored: (\d+),/.exec(printed) ?? []
  const parts = Array.from({ length: 6 }, (_, i) => `scores/predictions/part-0000${i}.ndjson`)
  const lines = parts
    .map((part) => readFileSync(join(folder, part), 'utf8'))
    .join('')
    .split('\n')
  expect(lines.length - 1).toBe(Number(rows))
  expect(lines.length).toBeGreaterThan(100)
  expect(scored).toBe(rows)
  expect(printed).toMatch(/^payments\.dlq: \d+ rows in \d files$/m)
})
