import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ownPlace } from '../../src/cli/own-place.ts'
import { PROCESS_TEST_MS, tidemark } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

/** Where a package manager has put this package, in a project that asked for it so. */
function installed(spec: string, key = 'dependencies') {
  const project = folderWith({ 'package.json': JSON.stringify({ [key]: { tidemark: spec } }) })
  const root = join(project, 'node_modules/tidemark')
  mkdirSync(root, { recursive: true })
  return { project, root }
}

test.each(['^0.1.0', '0.1.0', 'latest', 'npm:tidemark@0.1.0'])(
  'a package that came from a registry, asked for as "%s", is named by its version',
  (spec) => {
    expect(ownPlace(installed(spec).root, '0.1.0')).toBe('0.1.0')
  },
)

test('a package that came from a tarball is named by where that lies, seen from anywhere', () => {
  const { project, root } = installed('file:../packs/tidemark-0.1.0.tgz', 'devDependencies')
  const tarball = join(project, '../packs/tidemark-0.1.0.tgz')
  expect(ownPlace(root, '0.1.0')).toBe(`file:${tarball}`)
})

test.each(['https://example.org/tidemark-0.1.0.tgz', 'git+ssh://git@example.org/tidemark.git#v1'])(
  'a package that came from %s is named by it',
  (spec) => {
    expect(ownPlace(installed(spec).root, '0.1.0')).toBe(spec)
  },
)

test('a package that no project asked for, such as a global one, is named by its version', () => {
  const root = join(
    folderWith({ 'lib/node_modules/tidemark/.keep': '' }),
    'lib/node_modules/tidemark',
  )
  expect(ownPlace(root, '0.1.0')).toBe('0.1.0')
})

test('a checkout is named by itself, and has types for the folder that it makes', {
  timeout: 2 * PROCESS_TEST_MS,
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
  expect(readFileSync(join(folder, '.npmrc'), 'utf8')).toMatch(/^onnxruntime-node-install=skip$/m)
})

test('what trains the model stands on pinned packages and on labels of the sample payments', {
  timeout: 2 * PROCESS_TEST_MS,
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
  const dev = ['dev', 'topology.ts', '--input', 'sample.ndjson']
  const { stdout } = await tidemark(dev, { cwd: folder })
  const answers = stdout.trimEnd().split('\n')
  const ids = answers.map((line) => (JSON.parse(line) as { paymentId: string }).paymentId)
  const labels = lines('labels.csv')
  expect(labels[0]).toBe('paymentId,suspicious')
  expect(labels.slice(1).map((line) => line.split(',')[0])).toEqual(ids.sort())
  const { features } = JSON.parse(answers[0] ?? '') as { features: object }
  const golden = JSON.parse(lines('models/card-gbdt.golden.json').join('\n')) as {
    features: string[]
  }
  expect(Object.keys(features)).toEqual(golden.features)
})
