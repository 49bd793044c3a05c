import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// The folder that `tidemark init` makes.

/** A checkout first makes its types. */
const TYPES_MS = 240_000

test('a checkout is named by itself, and has types for the folder that it makes', {
  timeout: TYPES_MS,
}, async () => {
  const folder = join(folderWith({}), 'mine')
  expect(await tidemark(['init', folder])).toMatchObject({ code: 0 })
  const made = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  expect(made.dependencies['tidemark']).toBe(`file:${ROOT}`)
  expect(made.devDependencies['typescript']).toMatch(/^\d+\.\d+\.\d+$/)
  expect(readFileSync(join(ROOT, 'dist/index.d.ts'), 'utf8')).toContain('defineTopology')
  expect(readFileSync(join(folder, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m)
})

test('what trains the model stands on pinned packages and on labels of the sample payments', {
  timeout: TYPES_MS,
}, async () => {
  const folder = join(folderWith({}), 'mine')
  await tidemark(['init', folder])
  const lines = (file: string) => readFileSync(join(folder, file), 'utf8').trimEnd().split('\n')
  const requirements = lines('models/requirements.txt').filter((line) => !line.startsWith('#'))
  expect(requirements).toContain('lightgbm==4.7.0')
  expect(requirements.filter((line) => !/^[\w-]+==[\d.]+$/.test(line))).toEqual([])

  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/tidemark'))
  symlinkSync(join(ROOT, 'node_modules/zod'), join(folder, 'node_modules/zod'))
  const sample = ['--input', join(folder, 'sample.ndjson')]
  const known = ['--label-by', 'paymentId', '--label', 'suspicious', '--label-at', 'knownAt']
  const labels = ['--labels', join(folder, 'labels.ndjson'), ...known, '--within', '24h']
  const output = ['--output', join(folder, 'rows'), '--rows', ...labels]
  await tidemark(['batch', join(folder, 'topology.ts'), ...sample, ...output])
  const { features } = JSON.parse(lines('rows/_manifest.json').join('\n')) as {
    features: { rows: string[] }
  }
  const golden = JSON.parse(lines('models/card-gbdt.golden.json').join('\n')) as {
    features: string[]
  }
  expect(features.rows).toEqual(golden.features)
  const parts = readdirSync(join(folder, 'rows/rows'))
  const rows = parts.flatMap((part) => lines(`rows/rows/${part}`))
  const states = rows.map((row) => (JSON.parse(row) as { labelState: string }).labelState)
  expect(states).toEqual(Array(lines('labels.ndjson').length).fill('labelled'))
})

// That of one with a model: pack.test.ts.
test('a test for node:test is among what it makes of features alone, and passes', {
  timeout: TYPES_MS,
}, async () => {
  const folder = join(folderWith({}), 'mine')
  await tidemark(['init', folder, '--features'])
  expect(existsSync(join(folder, 'models'))).toBe(false)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/tidemark'))
  for (const name of ['.bin', '@types', 'tsx', 'zod']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)('npm', ['test'], { cwd: folder, env })
  expect(stdout).toMatch(/^\S+ pass 1$/m)
})
