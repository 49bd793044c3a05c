import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { isCheckout, PACKAGE, packageSpecifier } from '../host/own-package.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { makeFolder } from '../kernel/node.ts'
import { say } from './print.ts'

const ROOT = fileURLToPath(PACKAGE)
type Copies = Readonly<Record<string, string>>

/** File in the new folder → the file of this package that it is a copy of. */
const COPIES: Copies = {
  '.gitignore': 'topologies/starter/gitignore',
  '.npmrc': 'topologies/starter/npmrc',
  '.dockerignore': 'topologies/starter/dockerignore',
  Dockerfile: 'topologies/starter/Dockerfile',
  'tsconfig.json': 'topologies/starter/tsconfig.json',
  'payment.ts': 'topologies/payment.ts',
  'features.ts': 'topologies/payment-features.ts',
}
const MODEL_COPIES: Copies = {
  'topology.test.ts': 'topologies/starter/topology.test.ts.txt',
  'models/card-gbdt.model.ts': 'topologies/models/card-gbdt.model.ts',
  'models/card-gbdt.onnx': 'topologies/models/card-gbdt.onnx',
  'models/card-gbdt.golden.json': 'topologies/models/card-gbdt.golden.json',
  'models/train.py': 'topologies/starter/train.py',
  'models/requirements.txt': 'topologies/starter/requirements.txt',
  'labels.ndjson': 'topologies/starter/labels.ndjson',
}
const FEATURES_COPIES: Copies = {
  'topology.test.ts': 'topologies/starter/features/topology.test.ts.txt',
}

export function init(): Command {
  return new Command('init')
    .description('create a project: a topology with its model, sample events and a test')
    .argument('[dir]', 'folder to create; it may exist if it is empty', '.')
    .option('--features', 'without a model: its topology writes features, to train one on')
    .action(async (dir: string, { features = false }: { readonly features?: boolean }) => {
      const folder = resolve(dir)
      createEmpty(folder)
      if (isCheckout(ROOT)) await declareTypes()
      for (const [file, content] of filesFor(folder, !features)) {
        makeFolder(dirname(join(folder, file)))
        writeFileSync(join(folder, file), content)
      }
      const place = relative(process.cwd(), folder)
      say(`${place === '' ? '.' : place} is ready. Next:`)
      say(`  ${place === '' ? '' : `cd ${place} && `}npm install && npm run dev`)
    })
}

function createEmpty(folder: string): void {
  const where = { where: folder, hint: 'choose another folder: tidemark init my-topology' }
  try {
    makeFolder(folder)
    if (readdirSync(folder).length === 0) return
  } catch (cause) {
    throw new TidemarkError('CONFIG_INVALID', 'the folder cannot be created', { ...where, cause })
  }
  throw new TidemarkError('CONFIG_INVALID', 'the folder is not empty', where)
}

/** Builds the type declarations of this checkout, because the new project depends on it. */
async function declareTypes(): Promise<void> {
  const build: unknown = await import(new URL('src/cli/build.js', PACKAGE).href)
  await (build as { declareWhenStale(): Promise<void> }).declareWhenStale()
}

function filesFor(folder: string, hasModel: boolean): Map<string, string | Buffer> {
  const copies = Object.entries({ ...COPIES, ...(hasModel ? MODEL_COPIES : FEATURES_COPIES) })
  const text = (from: string) => shipped(from).toString('utf8')
  const readme = text(`topologies/starter/${hasModel ? '' : 'features/'}README.md`)
  const topology = withOwnFeatures(text(`topologies/${hasModel ? 'card-fraud' : 'card-rows'}.ts`))
  return new Map<string, string | Buffer>([
    ...copies.map(([file, from]) => [file, shipped(from)] as const),
    ['package.json', `${JSON.stringify(manifestOf(folder, hasModel), null, 2)}\n`],
    ['README.md', readme.replace('NAME', () => basename(folder))],
    ['topology.ts', topology],
    // Without keys: the topology computes the key of an event.
    ['sample.ndjson', text('topologies/samples/payments.tsv').replace(/^[^{\t]*\t/gm, '')],
  ])
}

/** A shipped topology, whose features are those of `features.ts`. */
function withOwnFeatures(topology: string): string {
  return topology
    .replace(/\.features\(\(f\) => \{.*?^ {4}\}\)/ms, '.features(paymentFeatures)')
    .replace(/^import \{ paymentFeatures .*\n/m, '')
    .replace(/^import \{ Payment \}.*\n/m, "import { paymentFeatures } from './features.ts'\n$&")
    .replace(/^import \{ defineTopology, .*, seconds \}/m, 'import { defineTopology, seconds }')
    .replace(/^\/\/ Is a card.*?\n(?=import)/ms, '// Is a card payment suspicious?\n')
}

function shipped(file: string): Buffer {
  return readFileSync(join(ROOT, file))
}

interface Manifest {
  name: string
  readonly version: string
  readonly dependencies: Record<string, string>
  readonly devDependencies: Record<string, string>
}

/** The new package.json, with the dependencies of this package. */
function manifestOf(folder: string, hasModel: boolean): Manifest {
  const parse = (file: string) => JSON.parse(String(shipped(file))) as Manifest
  const base = parse('package.json')
  const made = parse(`topologies/starter/${hasModel ? '' : 'features/'}manifest.json`)
  const versions: Readonly<Record<string, string>> = {
    ...base.dependencies,
    ...base.devDependencies,
    tidemark: packageSpecifier(ROOT, base.version),
  }
  const lowerCase = basename(folder).toLowerCase()
  made.name = lowerCase.replace(/[^a-z0-9-]+/g, '-')
  for (const needed of [made.dependencies, made.devDependencies]) {
    for (const name of Object.keys(needed)) needed[name] = versions[name] as string
  }
  return made
}
