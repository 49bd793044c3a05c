// The files of `tidemark init` that are not copies of files of this package.

/** `.gitignore` */
export const gitignore = 'node_modules/\n.venv/\nrows.ndjson\n'

/** `.npmrc` */
export const npmrc = `; On Linux, onnxruntime-node downloads its CUDA libraries from nuget.org at each install, and fails if
; it cannot. Tidemark scores on the CPU and does not need them.
onnxruntime-node-install=skip
`

/** `tsconfig.json` */
export const tsconfig = `{
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

/** `topology.test.ts` */
export const testFile = `import assert from 'node:assert/strict'
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

/** `README.md`. @param name name of the folder */
export function readme(name: string): string {
  return `# ${name}

A Tidemark topology: it reads payments, computes 13 features over rolling windows of each card, scores each payment and writes a prediction.

\`\`\`
npm install
npm run check     # topology and model fit together, without a broker
npm run dev       # scores sample.ndjson in this process, predictions on stdout
npm test          # types, then topology.test.ts
npm run train     # trains the model again (Python 3.11 or newer), see models/train.py
\`\`\`

- \`topology.ts\`: what is computed. Change a window or add a feature; \`npm run check\` says whether the model still fits.
- \`payment.ts\`: the schema of an event. Any Standard Schema works.
- \`models/\`: the ONNX model, rows with their expected outputs, and \`train.py\`, which makes both from the features that the
  topology writes with its predictions (\`rows.ndjson\`) and from \`labels.csv\`. For a model from elsewhere:
  \`npx tidemark model types models/mine.onnx --golden models/mine.golden.json --out models/mine.model.ts\`
- \`.npmrc\`: keeps an install from downloading CUDA, which is not used. npm 11 warns that the setting is unknown; it works all the same.

On Kafka:

\`\`\`
npx tidemark run topology.ts --brokers 127.0.0.1:9092
\`\`\`
`
}
