import { execFile } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// What a stranger gets: the packed package, installed into an empty folder.

const run = promisify(execFile)
/** npm fetches what its cache does not hold; the models' runtime alone is 100 MB. */
const INSTALL_MS = 240_000
const NPM = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']

/** Packs a copy of this checkout: packing builds anew, and other tests use what is built here. */
async function pack(destination: string): Promise<string> {
  const checkout = folderWith({})
  for (const part of ['package.json', 'tsconfig.json', 'src', 'topologies']) {
    cpSync(join(ROOT, part), join(checkout, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
  const args = ['run', '--silent', 'pack', '--', '--silent', '--pack-destination', destination]
  const { stdout } = await run('npm', args, { cwd: checkout })
  return stdout.trim().split('\n').at(-1) as string
}

test('the packed package works in a folder of its own', { timeout: INSTALL_MS }, async () => {
  const folder = folderWith({ 'package.json': '{"private":true}' })
  const tarball = await pack(folder)
  await run('npm', ['install', join(folder, tarball), ...NPM], { cwd: folder })
  const types = readFileSync(join(folder, 'node_modules/tidemark/dist/index.d.ts'), 'utf8')
  expect(types).toContain('defineTopology')
  const tidemark = (args: string[], cwd = folder) =>
    run(join(folder, 'node_modules/.bin/tidemark'), args, { cwd })

  // A topology of one's own, in a folder that npm made: no "type": "module".
  const shipped = join(ROOT, 'topologies')
  cpSync(join(shipped, 'models'), join(folder, 'models'), { recursive: true })
  cpSync(join(shipped, 'payment.ts'), join(folder, 'payment.ts'))
  const source = readFileSync(join(shipped, 'card-fraud.ts'), 'utf8')
  writeFileSync(join(folder, 'own.ts'), source.replace("'card-fraud'", "'own'"))
  expect((await tidemark(['check', 'own.ts'])).stdout).toMatch(/^✓ own {2}payments → 13 features/)

  const sample = join(shipped, 'samples/payments.tsv')
  const scored = await tidemark(['dev', 'own.ts', '--input', sample])
  expect(scored.stdout.trim().split('\n').length).toBeGreaterThan(400)
  expect(JSON.parse(scored.stdout.split('\n')[0] ?? '')).toMatchObject({ model: 'card-gbdt@1' })

  // The folder that init makes: it refuses one that is not empty, and its own test passes.
  await expect(tidemark(['init', '.'])).rejects.toMatchObject({ code: 3 })
  await tidemark(['init', 'mine'])
  const mine = join(folder, 'mine')
  const dev = await tidemark(['dev', 'topology.ts', '--input', 'sample.ndjson'], mine)
  expect(dev.stderr).toMatch(/^500 in = \d+ scored/m)
  const tested = await run('npm', ['test'], { cwd: mine })
  expect(tested.stdout).toMatch(/^\S+ pass 2$/m)
})
