import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { TidemarkError } from '../kernel/errors.ts'
import { makeFolder } from '../kernel/node.ts'
import { splitKey } from './lines.ts'
import { isCheckout, PACKAGE, packageSpecifier } from './own-package.ts'
import { say } from './print.ts'

const ROOT = fileURLToPath(PACKAGE)
type Copies = Readonly<Record<string, string>>

/** File in the new folder → the file of this package that it is a copy of. */
const COPIES: Copies = {
  'payment.ts': 'topologies/payment.ts',
  'features.ts': 'topologies/payment-features.ts',
}
const MODEL_COPIES: Copies = {
  'models/card-gbdt.model.ts': 'topologies/models/card-gbdt.model.ts',
  'models/card-gbdt.onnx': 'topologies/models/card-gbdt.onnx',
  'models/card-gbdt.golden.json': 'topologies/models/card-gbdt.golden.json',
  'models/train.py': 'topologies/starter/train.py',
  'models/requirements.txt': 'topologies/starter/requirements.txt',
  'labels.csv': 'topologies/starter/labels.csv',
}

interface InitOptions {
  /** Without a model. */
  readonly features?: boolean
}

/** `tidemark init [DIR]` */
export function init(): Command {
  return new Command('init')
    .description('create a project: a topology with its model, sample events and a test')
    .argument('[dir]', 'folder to create; it may exist if it is empty', '.')
    .option('--features', 'without a model: its topology writes features, to train one on')
    .action(async (dir: string, { features = false }: InitOptions) => {
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
  const { declareWhenStale } = (await import(
    pathToFileURL(join(ROOT, 'src/cli/build.js')).href
  )) as {
    declareWhenStale: () => Promise<void>
  }
  await declareWhenStale()
}

function filesFor(folder: string, hasModel: boolean): Map<string, string | Buffer> {
  const copies = Object.entries({ ...COPIES, ...(hasModel && MODEL_COPIES) }).map(
    ([file, from]) => [file, readFileSync(join(ROOT, from))] as const,
  )
  const rows = withOwnFeatures('topologies/card-rows.ts')
  const topologies = hasModel
    ? { 'topology.ts': withOwnFeatures('topologies/card-fraud.ts'), 'rows.ts': rows }
    : { 'topology.ts': rows }
  return new Map<string, string | Buffer>([
    ['package.json', `${JSON.stringify(manifest(folder, hasModel), null, 2)}\n`],
    ['README.md', hasModel ? readme(basename(folder)) : featuresReadme(basename(folder))],
    ['.gitignore', gitignore],
    ['.npmrc', npmrc],
    ['tsconfig.json', tsconfig],
    ...Object.entries(topologies),
    ...copies,
    ['sample.ndjson', sample()],
    ['topology.test.ts', hasModel ? testFile : featuresTestFile],
  ])
}

/** A shipped topology, whose features are those of `features.ts`. */
function withOwnFeatures(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
    .replace(/\.features\(\(f\) => \{.*?^ {4}\}\)/ms, '.features(paymentFeatures)')
    .replace(/^import \{ paymentFeatures .*\n/m, '')
    .replace(/^import \{ Payment \}.*\n/m, "import { paymentFeatures } from './features.ts'\n$&")
    .replace(/^import \{ defineTopology, .*, seconds \}/m, 'import { defineTopology, seconds }')
    .replace(/^\/\/ Is a card.*?\n(?=import)/ms, '// Is a card payment suspicious?\n')
}

/** The shipped sample without its keys: the topology computes the key of an event. */
function sample(): string {
  const lines = readFileSync(join(ROOT, 'topologies/samples/payments.tsv'), 'utf8').trimEnd()
  const values = lines.split('\n').map((line) => splitKey(Buffer.from(line)).value.toString('utf8'))
  return `${values.join('\n')}\n`
}

interface OwnManifest {
  readonly version: string
  readonly dependencies: { readonly zod: string }
  readonly devDependencies: Readonly<Record<'@types/node' | 'tsx' | 'typescript', string>>
}

const MODEL = 'models/card-gbdt'
const training = {
  rows: 'tidemark dev rows.ts --input sample.ndjson > rows.ndjson',
  train: 'npm run rows && python models/train.py rows.ndjson labels.csv && npm run model',
  model: `tidemark model types ${MODEL}.onnx --golden ${MODEL}.golden.json --out ${MODEL}.model.ts`,
}

function manifest(folder: string, hasModel: boolean) {
  const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as OwnManifest
  return {
    name: basename(folder)
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-'),
    private: true,
    type: 'module',
    scripts: {
      check: 'tidemark check topology.ts',
      dev: 'tidemark dev topology.ts --input sample.ndjson',
      types: 'tsc',
      test: 'npm run types && node --import tsx --test topology.test.ts',
      ...(hasModel
        ? training
        : { rows: 'tidemark dev topology.ts --input sample.ndjson > rows.ndjson' }),
    },
    dependencies: {
      tidemark: packageSpecifier(ROOT, own.version),
      zod: own.dependencies.zod,
    },
    devDependencies: {
      '@types/node': own.devDependencies['@types/node'],
      tsx: own.devDependencies.tsx,
      typescript: own.devDependencies.typescript,
    },
  }
}

const gitignore = 'node_modules/\n.venv/\nrows.ndjson\n'

const npmrc = `; On Linux, onnxruntime-node downloads its CUDA libraries from nuget.org at each install, and fails if
; it cannot. Tidemark scores on the CPU and does not need them.
onnxruntime-node-install=skip
`

const tsconfig = `{
  "compilerOptions": {
    "target": "ES2023",
    "module": "NodeNext",
    "types": ["node"],
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "allowImportingTsExtensions": true,
    "skipLibCheck": true,
    "noEmit": true
  },
  "include": ["*.ts", "models"]
}
`

const testHead = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TopologyDriver } from 'tidemark/testing'
import topology from './topology.ts'

const payment = {
  paymentId: 'p-1',
  cardId: 'card-1',
  merchantId: 'm-1',
  category: 'food',
  country: 'DE',
  amount: 12.5,
  paidAt: Date.UTC(2026, 0, 1, 12),
}
`

export const testFile = `${testHead}
test('a payment gets a probability', async (t) => {
  const driver = await TopologyDriver.start(topology)
  t.after(() => driver.stop())
  await driver.pipe(payment)
  const [prediction] = driver.outputs('predictions')
  assert.equal(prediction?.value.paymentId, 'p-1')
  assert.ok(prediction.value.probability > 0 && prediction.value.probability < 1)
})

test('a payment that is a minute late becomes a dead letter', async (t) => {
  const driver = await TopologyDriver.start(topology)
  t.after(() => driver.stop())
  await driver.pipe([payment, { ...payment, paidAt: payment.paidAt - 60_000 }])
  assert.equal(driver.outputs('predictions').length, 1)
  assert.deepEqual(
    driver.deadLetters().map((letter) => letter.code),
    ['LATE'],
  )
})
`

const featuresTestFile = `${testHead}
test('a payment is written with its features', async (t) => {
  const driver = await TopologyDriver.start(topology)
  t.after(() => driver.stop())
  await driver.pipe([payment, { ...payment, paymentId: 'p-2', paidAt: payment.paidAt + 1_000 }])
  const [, second] = driver.outputs('rows').map(({ value }) => value)
  assert.equal(second?.paymentId, 'p-2')
  assert.equal(second.features.count5m, 2)
  assert.equal(second.features.sum5m, 25)
})
`

function readme(name: string): string {
  return `# ${name}

A Tidemark topology: it reads payments, computes 13 features over rolling windows of each card, scores each payment and writes a prediction.

\`\`\`
npm install
npm run check     # topology and model fit together, without a broker
npm run dev       # scores sample.ndjson in this process, predictions on stdout
npm test          # types, then topology.test.ts
npm run train     # trains the model again (Python 3.11 or newer), see models/train.py
\`\`\`

- \`features.ts\`: what is computed for each payment. Change a window or add a feature; \`npm run check\` says whether the model
  still fits, and \`npm run train\` makes one that does.
- \`topology.ts\`: what is read, scored and written. \`rows.ts\`: the same features without the model, to train on.
- \`payment.ts\`: the schema of an event. Any Standard Schema works.
- \`models/\`: the ONNX model, rows with their expected outputs, and \`train.py\`, which makes both from the features that
  \`rows.ts\` writes (\`rows.ndjson\`) and from \`labels.csv\`. For a model from elsewhere:
  \`npx tidemark model types models/mine.onnx --golden models/mine.golden.json --out models/mine.model.ts\`
- \`.npmrc\`: keeps an install from downloading CUDA, which is not used. npm 11 warns that the setting is unknown; it works all the same.

On Kafka:

\`\`\`
npx tidemark run topology.ts --brokers 127.0.0.1:9092
\`\`\`
`
}

function featuresReadme(name: string): string {
  return `# ${name}

A Tidemark topology without a model: it reads payments, computes 13 features over rolling windows of each card, and writes them with each payment.

\`\`\`
npm install
npm run check     # the topology is right, without a broker
npm run dev       # features of sample.ndjson in this process, on stdout
npm test          # types, then topology.test.ts
npm run rows      # features of sample.ndjson into rows.ndjson, to train a model on
\`\`\`

- \`features.ts\`: what is computed for each payment. \`topology.ts\`: what is read and written.
- \`payment.ts\`: the schema of an event. Any Standard Schema works.
- With a model trained on these features: \`npx tidemark model types models/mine.onnx --out models/mine.model.ts\`, and
  \`.score(mine)\` after \`.features(paymentFeatures)\` in \`topology.ts\`.
- \`.npmrc\`: keeps an install from downloading CUDA, which is not used. npm 11 warns that the setting is unknown; it works all the same.

On Kafka:

\`\`\`
npx tidemark run topology.ts --brokers 127.0.0.1:9092
\`\`\`
`
}
