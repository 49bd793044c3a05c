// The files that `tidemark init` writes and that are no copies.

export const gitignore = 'node_modules/\n.venv/\nrows.ndjson\n'

export const npmrc = `; On Linux onnxruntime-node fetches the parts for CUDA from nuget.org at each install, and fails
; where it cannot. Tidemark scores on the CPU and does not need them.
onnxruntime-node-install=skip
`

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

test('a payment that comes a minute late is set aside', async (t) => {
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

/** @param name of the folder */
export function readme(name: string): string {
  return `# ${name}

A topology of Tidemark: payments in, 13 rolling features of each card, one score each, predictions out.

\`\`\`
npm install
npm run check     # topology and model fit together, without a broker
npm run dev       # scores sample.ndjson in this process, predictions on stdout
npm test          # types, then topology.test.ts
npm run train     # trains the model anew (Python 3.11 or newer), see models/train.py
\`\`\`

- \`topology.ts\`: what is computed. Change a window, add a feature; \`npm run check\` says what the model thinks of it.
- \`payment.ts\`: what an event looks like. Any Standard Schema does.
- \`models/\`: the ONNX model, rows with the outputs it must give, and \`train.py\`, which makes both of the features that the
  topology writes beside its answers (\`rows.ndjson\`) and of \`labels.csv\`. For a model from elsewhere:
  \`npx tidemark model types models/mine.onnx --golden models/mine.golden.json --out models/mine.model.ts\`
- \`.npmrc\`: keeps an install from fetching CUDA, which is not used. npm 11 calls the setting unknown; it does what it says.

On Kafka:

\`\`\`
npx tidemark run topology.ts --brokers 127.0.0.1:9092
\`\`\`
`
}
