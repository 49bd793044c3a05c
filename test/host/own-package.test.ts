import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageSpecifier } from '../../src/host/own-package.ts'
import { folderWith } from '../support/folder.ts'

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
    expect(packageSpecifier(installed(spec).root, '0.1.0')).toBe('0.1.0')
  },
)

test('a package that came from a tarball is named by where that lies, seen from anywhere', () => {
  const { project, root } = installed('file:../packs/tidemark-0.1.0.tgz', 'devDependencies')
  const tarball = join(project, '../packs/tidemark-0.1.0.tgz')
  expect(packageSpecifier(root, '0.1.0')).toBe(`file:${tarball}`)
})

test.each(['https://example.org/tidemark-0.1.0.tgz', 'git+ssh://git@example.org/tidemark.git#v1'])(
  'a package that came from %s is named by it',
  (spec) => {
    expect(packageSpecifier(installed(spec).root, '0.1.0')).toBe(spec)
  },
)

test('a package that no project asked for, such as a global one, is named by its version', () => {
  const root = join(
    folderWith({ 'lib/node_modules/tidemark/.keep': '' }),
    'lib/node_modules/tidemark',
  )
  expect(packageSpecifier(root, '0.1.0')).toBe('0.1.0')
})
