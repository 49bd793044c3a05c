import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import { mlflowTests } from '../services/mlflow.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Models that MLflow's own client has logged, by the command line.

const MODELS = join(ROOT, 'topologies/models')
const TOPOLOGY = join(ROOT, 'topologies/card-models.ts')
const PAYMENTS = readFileSync(join(ROOT, 'topologies/samples/payments.tsv'), 'utf8')
  .split('\n')
  .flatMap((line) => line.split('\t')[1] ?? [])
const GBDT = 'models:/card-gbdt@production'
const MLP = 'models:/card-mlp@production'

beforeEach(() => vi.stubEnv('XDG_CACHE_HOME', folderWith({})))
afterEach(() => vi.unstubAllEnvs())

/** What the topology predicts, every second payment by the network. */
async function predictions(gbdt: string, mlp: string) {
  const tiers = PAYMENTS.map((text, i) => ({
    ...JSON.parse(text),
    ...(i % 2 && { tier: 'premium' }),
  }))
  const stdin = tiers.map((payment) => JSON.stringify(payment)).join('\n')
  const models = ['--model', `card-gbdt=${gbdt}`, '--model', `card-mlp=${mlp}`]
  const { code, stdout, stderr } = await tidemark(['dev', TOPOLOGY, ...models], { stdin })
  if (code !== 0) throw new Error(stderr)
  const values = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  // Events of several partitions interleave.
  const scores = values
    .map(({ paymentId, probability }) => `${paymentId} ${probability}`)
    .toSorted()
  return { values, stderr, scores }
}

/** Golden rows of a model whose bytes are others in MLflow, which writes its weights beside it. */
function goldenOf(name: string): string {
  const golden = JSON.parse(readFileSync(join(MODELS, `${name}.golden.json`), 'utf8'))
  return join(
    folderWith({ 'golden.json': JSON.stringify({ ...golden, sha256: undefined }) }),
    'golden.json',
  )
}

mlflowTests((mlflowTest) => {
  mlflowTest(
    'trees and a network with weights in another file score as where they were logged',
    async (mlflow) => {
      vi.stubEnv('MLFLOW_TRACKING_URI', mlflow.url)
      const [gbdtFile, mlpFile] = [join(MODELS, 'card-gbdt.onnx'), join(MODELS, 'card-mlp.onnx')]
      await mlflow.log(gbdtFile, 'card-gbdt', 'production')
      await mlflow.log(mlpFile, 'card-mlp', 'production')
      for (const [url, name] of [
        [GBDT, 'card-gbdt'],
        [MLP, 'card-mlp'],
        ['models:/card-mlp/1', 'card-mlp'],
      ] as const) {
        const { code, stdout, stderr } = await tidemark([
          'model',
          'types',
          url,
          '--golden',
          goldenOf(name),
        ])
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        expect(stdout).toContain(`name: '${name}'`)
        expect(stdout).toContain(`file: new URL('${url}')`)
        expect(stdout.includes('sha256')).toBe(!url.includes('@'))
      }
      const expected = await predictions(gbdtFile, mlpFile)
      const logged = await predictions(GBDT, MLP)
      expect(expected.scores.length).toBeGreaterThan(50)
      expect(logged.scores).toEqual(expected.scores)
      expect(logged.values.some(({ model }) => /^card-mlp@1\+[0-9a-f]{8}$/.test(model))).toBe(true)
    },
  )

  mlflowTest(
    'an unknown alias, name and version, and another host are refused by MLflow',
    async (mlflow) => {
      vi.stubEnv('MLFLOW_TRACKING_URI', mlflow.url)
      await mlflow.log(join(MODELS, 'card-mlp.onnx'), 'refusals', 'production')
      const refusal = async (url: string) => (await tidemark(['model', 'inspect', url])).stderr
      expect(await refusal('models:/refusals@canary')).toMatch(
        /400: "Registered model alias canary not/,
      )
      expect(await refusal('models:/nothing/1')).toMatch(
        /404: "Model Version \(name=nothing, version=1\)/,
      )
      expect(await refusal('models:/refusals/2')).toMatch(
        /404: "Model Version \(name=refusals, version=2\)/,
      )
      vi.stubEnv('MLFLOW_TRACKING_URI', `http://127.0.0.1:${mlflow.port}`)
      expect(await refusal('models:/refusals@production')).toMatch(
        /403: "Invalid Host header[^]*--allowed-hosts/,
      )
    },
  )

  mlflowTest('without the server a topology starts with its last download', async (mlflow) => {
    vi.stubEnv('MLFLOW_TRACKING_URI', mlflow.url)
    const file = join(MODELS, 'card-mlp.onnx')
    await mlflow.log(join(MODELS, 'card-gbdt-next.onnx'), 'offline', 'production')
    const before = await predictions('models:/offline@production', file)
    mlflow.kill()
    const offline = await predictions('models:/offline@production', file)
    expect(offline.scores).toEqual(before.scores)
    expect(offline.stderr).toMatch(
      /models:\/offline@production is version 1, as it was downloaded before: it does not answer/,
    )
  })
})
