import { execFile } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// The package as a stranger gets it: packed, then installed into an empty folder.

const run = promisify(execFile)
/** npm and pip fetch what their caches do not hold; the models' runtime alone is 100 MB. */
const INSTALL_MS = 900_000
/** Compiling its packages takes as long as to unpack them, and few of them are used. */
const IN_VENV = { ...process.env, PIP_NO_COMPILE: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1' }
const NPM = ['--prefer-offline', '--no-audit', '--no-fund']
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

/** A copy of this checkout: packing builds again, and other tests use what is built here. */
function checkout(): string {
  const folder = folderWith({})
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[]
  }
  const packed = files.filter((part) => !/^!|^dist$/.test(part))
  for (const part of ['package.json', '.npmrc', 'tsconfig.json', 'README.md', 'src', ...packed]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Packs a checkout whose `dist` is what a start of the command line leaves. */
async function pack(destination: string): Promise<string> {
  const cwd = checkout()
  await run(process.execPath, ['src/cli/bin.js', '--version'], { cwd })
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', destination], {
    cwd,
  })
  return join(destination, stdout.trim().split('\n').at(-1) as string)
}

/** The definition of the model that the guide makes. */
const OVERHEATING = `import { onnxModel } from 'tidemark'
export const overheating = onnxModel({
  name: 'overheating', version: '1', file: new URL('./overheating.onnx', import.meta.url), sha256: '',
  input: 'features', features: ['celsius', 'mean10m', 'max1h'],
  outputs: { probabilities: { tensor: 'probabilities', columns: ['fine', 'hot'] } },
})
`

test('the packed package works in a folder of its own', { timeout: INSTALL_MS }, async () => {
  const folder = folderWith({
    'package.json': '{"private":true}',
    '.npmrc': 'ignore-scripts=true\n',
  })
  const tarball = await pack(folderWith({}))
  await run('npm', ['install', tarball, ...NPM], { cwd: folder })
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
  expect(JSON.parse(scored.stdout.split('\n')[0] ?? '')).toMatchObject({ model: 'card-gbdt@2' })

  // Its types are there: they pass what is right and refuse what is not.
  const flags =
    '--noEmit --strict --skipLibCheck --target es2023 --types --allowImportingTsExtensions'
  const check = (...files: string[]) =>
    run(process.execPath, [TSC, ...flags.split(' '), '--module', 'preserve', ...files], {
      cwd: folder,
    })
  const page = readFileSync(join(folder, 'node_modules/tidemark/docs/first-prediction.md'), 'utf8')
  writeFileSync(join(folder, 'guide.ts'), /(?<=^```ts\n).*?(?=^```$)/ms.exec(page)?.[0] ?? '')
  writeFileSync(join(folder, 'models/overheating.model.ts'), OVERHEATING)
  await check('own.ts', 'guide.ts')
  const service = "import { runWorker } from 'tidemark'\nvoid runWorker([], { group: 1 })\n"
  writeFileSync(join(folder, 'wrong.ts'), service + source.replace('seconds(30)', '30_000'))
  await expect(check('wrong.ts')).rejects.toMatchObject({
    stdout: expect.stringMatching(
      /^wrong\.ts\(2,.*: error TS2322.*\n(.*\n)*wrong\.ts\(1\d,.*: error TS2322/,
    ),
  })

  // The folder that init makes: it refuses one that is not empty, installs by itself, and its own
  // tests pass.
  await expect(tidemark(['init', '.'])).rejects.toMatchObject({ code: 3 })
  const mine = join(folderWith({}), 'mine')
  await tidemark(['init', mine])
  const manifest = JSON.parse(readFileSync(join(mine, 'package.json'), 'utf8')) as {
    dependencies: object
  }
  expect(manifest.dependencies).toMatchObject({ tidemark: `file:${tarball}` })
  await run('npm', ['install', ...NPM], { cwd: mine })
  const tested = await run('npm', ['test'], { cwd: mine })
  expect(tested.stdout).toMatch(/^\S+ pass 2$/m)
  await trainedByReadme(mine)
  writeFileSync(join(mine, 'wrong.ts'), "export const amount: number = 'ten'\n")
  await expect(run('npm', ['test'], { cwd: mine })).rejects.toMatchObject({
    stdout: expect.stringContaining('wrong.ts(1,14): error TS2322'),
  })

  expect(deadLinks(join(folder, 'node_modules/tidemark'))).toEqual([])
})

/** Adds a feature, trains, checks and scores, word for word as the README of `init` says. */
async function trainedByReadme(cwd: string): Promise<void> {
  const readme = readFileSync(join(cwd, 'README.md'), 'utf8')
  const parts = /^## Another feature.*?^```ts\n(.*?)^```$.*?^```\n(.*?)^```$/ms.exec(readme) ?? []
  const [, added = '', commands = ''] = parts
  const features = join(cwd, 'features.ts')
  const before = readFileSync(features, 'utf8')
  writeFileSync(features, before.replace(/^ {4}std24h.*\n/m, `$&${added}`))
  const untrained = 'TOPOLOGY_INVALID  model card-gbdt does not take merchants24h'
  await expect(run('npm', ['run', 'check'], { cwd })).rejects.toMatchObject({
    stderr: expect.stringContaining(untrained),
  })
  const { stdout, stderr } = await run('sh', ['-ec', commands], { cwd, env: IN_VENV })
  expect(stderr).toContain('payments → 14 features → rows')
  expect(stdout.match(/^✓ card-fraud.* → 14 features → card-gbdt@3 → predictions/gm)).toHaveLength(
    2,
  )
  expect(stdout.match(/^{"paymentId":.*"model":"card-gbdt@3"}$/gm)?.length).toBeGreaterThan(400)
  expect(stderr).toMatch(/^500 in = \d+ scored/m)
}

/** Links in the pages of a package that lead to nothing in it. */
function deadLinks(root: string): string[] {
  const pages = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.md') && !file.startsWith('node_modules'),
  )
  expect(pages).toContain('README.md')
  return pages.flatMap((page) => {
    const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
    return links
      .map((link) => link[1] as string)
      .filter((to) => !/^\w+:/.test(to) && !existsSync(join(root, dirname(page), to)))
      .map((to) => `${page}: ${to}`)
  })
}
