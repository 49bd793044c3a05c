import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { TidemarkError } from '../kernel/errors.ts'
import { gitignore, readme, testFile, tsconfig } from './init-files.ts'
import { splitKey } from './lines.ts'
import { say } from './print.ts'

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url))
/** File of the new folder → file of this package that it is a copy of. */
const COPIES = {
  'topology.ts': 'topologies/card-fraud.ts',
  'payment.ts': 'topologies/payment.ts',
  'models/card-gbdt.model.ts': 'topologies/models/card-gbdt.model.ts',
  'models/card-gbdt.onnx': 'topologies/models/card-gbdt.onnx',
  'models/card-gbdt.golden.json': 'topologies/models/card-gbdt.golden.json',
} as const

/** `tidemark init [DIR]` */
export function init(): Command {
  return new Command('init')
    .description('make a folder of your own: a topology with its model, sample events, a test')
    .argument('[dir]', 'folder to make; it may exist if it is empty', '.')
    .action((dir: string) => {
      const folder = resolve(dir)
      refuseUnlessEmpty(folder)
      for (const [file, content] of filesFor(folder)) {
        mkdirSync(dirname(join(folder, file)), { recursive: true })
        writeFileSync(join(folder, file), content)
      }
      const place = relative(process.cwd(), folder)
      say(`${place === '' ? '.' : place} is made. Next:`)
      say(`  ${place === '' ? '' : `cd ${place} && `}npm install && npm run dev`)
    })
}

function refuseUnlessEmpty(folder: string): void {
  if (!existsSync(folder) || readdirSync(folder).length === 0) return
  throw new TidemarkError('CONFIG_INVALID', 'the folder is not empty', {
    where: folder,
    hint: 'name a new one: tidemark init my-topology',
  })
}

function filesFor(folder: string): Map<string, string | Buffer> {
  const copies = Object.entries(COPIES).map(
    ([file, from]) => [file, readFileSync(join(PACKAGE, from))] as const,
  )
  return new Map<string, string | Buffer>([
    ['package.json', `${JSON.stringify(manifest(folder), null, 2)}\n`],
    ['README.md', readme(basename(folder))],
    ['.gitignore', gitignore],
    ['tsconfig.json', tsconfig],
    ...copies,
    ['sample.ndjson', sample()],
    ['topology.test.ts', testFile],
  ])
}

/** The shipped sample without its keys: the topology knows the key of an event. */
function sample(): string {
  const lines = readFileSync(join(PACKAGE, 'topologies/samples/payments.tsv'), 'utf8').trimEnd()
  const values = lines.split('\n').map((line) => splitKey(Buffer.from(line)).value.toString('utf8'))
  return `${values.join('\n')}\n`
}

interface OwnManifest {
  readonly version: string
  readonly dependencies: { readonly tsx: string; readonly zod: string }
  readonly devDependencies: { readonly '@types/node': string }
}

function manifest(folder: string) {
  const own = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as OwnManifest
  return {
    name: basename(folder)
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-'),
    private: true,
    type: 'module',
    scripts: {
      check: 'tidemark check topology.ts',
      dev: 'tidemark dev topology.ts --input sample.ndjson',
      test: 'node --import tsx --test topology.test.ts',
    },
    dependencies: {
      tidemark: isCheckout() ? `file:${PACKAGE}` : own.version,
      zod: own.dependencies.zod,
    },
    devDependencies: {
      tsx: own.dependencies.tsx,
      '@types/node': own.devDependencies['@types/node'],
    },
  }
}

/** A checkout's version need not be one that a registry has. */
function isCheckout(): boolean {
  return existsSync(join(PACKAGE, 'src/cli/build.js'))
}
