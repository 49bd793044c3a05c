import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Refused, runBatch } from 'tidemark'
import { expect, test, vi } from 'vitest'
import { WorkFolder } from '../../../src/connect/files/work-folder.ts'
import { MOST_CHUNK_RECORDS } from '../../../src/connect/port.ts'
import { batchFiles } from '../../../src/jobs/batch/batch-files.ts'
import { BATCH_DEFAULTS } from '../../../src/jobs/batch/batch-options.ts'
import type { Saved } from '../../../src/jobs/batch/job.ts'
import { SILENT } from '../../../src/jobs/report.ts'
import { DEFAULT_CONFIG } from '../../../src/runtime/config.ts'
import orders from '../../fixtures/topologies/orders.ts'
import { tidemark } from '../../support/command-line.ts'
import { folderWith } from '../../support/folder.ts'
import { ROOT } from '../../support/paths.ts'

const MINUTES = join(ROOT, 'test/fixtures/topologies/order-minutes.ts')
const ORDER = JSON.stringify({
  ...{ id: '1', shop: 's', country: null, amount: 1 },
  at: Date.UTC(2026, 0, 1),
})

test('nothing is saved while the end of the input closes windows, which would be there twice', async () => {
  const folder = folderWith({ 'in.ndjson': `${ORDER}\n` })
  const saving = vi.spyOn(WorkFolder.prototype, 'save')
  const options = {
    ...BATCH_DEFAULTS,
    ...{ input: [join(folder, 'in.ndjson')], output: join(folder, 'out'), partitions: 1 },
  }
  const job = { topology: MINUTES, options, config: DEFAULT_CONFIG, savedEveryMs: 0 }
  await batchFiles(job, { report: SILENT, stop: new AbortController().signal })
  const sizes = saving.mock.calls.map(([, saved]) => Object.keys((saved as Saved).sizes))
  saving.mockRestore()
  expect(sizes.pop()).toEqual(['shares/part-00000.ndjson'])
  expect(sizes.flat()).toEqual([])
})

test('a dead letter that is alone behind what was committed has its place', async () => {
  const lines = Array.from({ length: MOST_CHUNK_RECORDS }, () => ORDER)
  const folder = folderWith({ 'in.ndjson': `${lines.join('\n')}\n{}\n` })
  const input = join(folder, 'in.ndjson')
  const output = join(folder, 'out')
  const topology = join(ROOT, 'test/fixtures/topologies/orders.ts')
  const args = ['--input', input, '--output', output, '--partitions', '1']
  expect((await tidemark(['batch', topology, ...args])).code).toBe(0)
  const letters = readFileSync(join(output, 'orders.dlq/part-00000.ndjson'), 'utf8').split('\n')
  const last: unknown = JSON.parse(letters.at(-2) as string)
  expect(last).toMatchObject({ file: input, row: MOST_CHUNK_RECORDS + 1 })
})

test('a program gets every fault of its batch at once, each with its flag', async () => {
  const wrong = {
    ...{ input: [5], output: 5, format: 'csv', partitions: 0, compression: 'zstd' },
    ...{
      evaluator: 'gpu',
      with: 'id',
      table: { merchants: 'rows.csv' },
      failAbove: 'none',
      within: -1,
    },
  }
  const thrown: unknown = await runBatch({} as never, wrong as never).catch((error) => error)
  const faults = (thrown as Refused).faults.map(({ code, where }) => [code, where])
  expect(faults).toEqual([
    ['CONFIG_INVALID', 'evaluator'],
    ['CONFIG_INVALID', undefined],
    ['CONFIG_INVALID', '--output'],
    ['CONFIG_INVALID', '--input'],
    ['CONFIG_INVALID', '--table'],
    ['CONFIG_INVALID', '--fail-above'],
    ['CONFIG_INVALID', '--format'],
    ['CONFIG_INVALID', '--partitions'],
    ['CONFIG_INVALID', '--compression'],
    ['CONFIG_INVALID', '--with'],
    ['CONFIG_INVALID', '--labels'],
    ['CONFIG_INVALID', '--labels'],
    ['CONFIG_INVALID', '--within'],
  ])
  const none = runBatch(orders, undefined as never)
  await expect(none).rejects.toMatchObject({
    faults: [{ where: '--output' }, { where: '--input' }],
  })
})

test('a batch of a program goes on where its signal has stopped it, and is whole then', async () => {
  const lines = Array.from({ length: MOST_CHUNK_RECORDS }, () => ORDER)
  const folder = folderWith({ 'in.ndjson': `${lines.join('\n')}\n` })
  const options = { input: [join(folder, 'in.ndjson')], output: join(folder, 'out') }
  expect(await runBatch(orders, { ...options, signal: AbortSignal.abort() })).toBe(null)
  const result = await runBatch(orders, { ...options, resume: true })
  expect(result?.outcomes.scored).toBe(lines.length)
  const rows = result?.folders.map(({ name, rows: count }) => [name, count])
  expect(rows).toEqual([['risks', lines.length]])
  expect(await runBatch(orders, { ...options, resume: true })).toBe(null)
  await expect(runBatch(orders, options)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})
