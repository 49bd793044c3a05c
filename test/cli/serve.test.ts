import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { httpOfRequests, start } from '../services/tidemark-in-test.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

const MODELS = join(ROOT, 'topologies/models')
const CARD = join(MODELS, 'card-gbdt.model.ts')
const golden = JSON.parse(readFileSync(join(MODELS, 'card-gbdt.golden.json'), 'utf8')) as {
  readonly inputs: readonly (readonly number[])[]
  readonly outputs: readonly (readonly number[])[]
}
const ROWS = golden.inputs.slice(0, 3)
const SCORES = golden.outputs.slice(0, 3).map(([score]) => score as number)

test('models answer requests until the server is told to stop', async () => {
  const flights = join(MODELS, 'flight-gbdt.onnx')
  const run = start(['serve', CARD, flights, '--predict-port', '0'])
  const url = await httpOfRequests(run)
  const post = async (path: string, body: object) => {
    const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const get = async (path: string) => (await fetch(`${url}${path}`)).status

  const model = { model_id: 'card-gbdt' }
  const [first = 0] = SCORES
  const one = await post('/predict', { ...model, features: ROWS[0] })
  const latency = { latency_ms: expect.any(Number) as number }
  expect(one.body).toEqual({
    prediction: first,
    confidence: Math.max(first, 1 - first),
    ...latency,
  })
  const many = await post('/predict', { model_id: 'card-gbdt@2', features: ROWS })
  expect(many.body['prediction']).toEqual(SCORES)

  const tensor = { name: 'features', shape: [3, 13], datatype: 'FP32', data: ROWS }
  const inferred = await post('/v2/models/card-gbdt/versions/2/infer', {
    id: 'a',
    inputs: [tensor],
  })
  expect(inferred.body).toEqual({
    ...{ model_name: 'card-gbdt', model_version: '2', id: 'a' },
    outputs: [{ name: 'probability', datatype: 'FP32', shape: [3], data: SCORES }],
  })

  const faults = [
    await post('/predict', { features: ROWS[0] }),
    await post('/predict', { ...model, features: [1] }),
    await post('/predict', { ...model, features: [...(ROWS[0]?.slice(1) ?? []), '1'] }),
    await post('/v2/models/card-gbdt/versions/1/infer', { inputs: [tensor] }),
  ]
  expect(faults.map(({ status, body }) => [status, body['where']])).toEqual([
    [404, 'model_id'],
    [400, 'features'],
    [400, 'features[12]'],
    [404, 'model'],
  ])
  const paths = [
    '/health',
    '/v2',
    '/v2/health/live',
    '/v2/health/ready',
    '/v2/models/flight-gbdt/ready',
  ]
  expect(await Promise.all(paths.map(get))).toEqual(paths.map(() => 200))
  run.process.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 0 })
})

test('faults of all models are told at once, and two of one name are refused', async () => {
  const folder = folderWith({ 'a.model.ts': 'export const a = 1', 'b.onnx': 'nonsense' })
  const bad = await tidemark(['serve', join(folder, 'a.model.ts'), join(folder, 'b.onnx')])
  expect([bad.code, bad.stderr]).toEqual([3, expect.stringContaining('exports no model')])
  expect(bad.stderr).toContain('b.onnx')
  const twice = await tidemark(['serve', CARD, CARD])
  expect([twice.code, twice.stderr]).toEqual([3, expect.stringContaining('"card-gbdt"')])
})

test('others than this machine need a token', async () => {
  const args = ['serve', CARD, '--predict-host', '0.0.0.0']
  const { code, stderr } = await tidemark(args)
  expect([code, stderr]).toEqual([3, expect.stringContaining('--predict-token-file')])
})

test.each([
  ['\n', 'the file is empty'],
  ['first\nsecond\n', 'it is not one line without outer blanks'],
  [' token\n', 'it is not one line without outer blanks'],
])('a file with the token %j is refused: %s', async (token, why) => {
  const file = join(folderWith({ token }), 'token')
  const { code, stderr } = await tidemark(['serve', CARD, '--predict-token-file', file])
  expect([code, stderr]).toEqual([3, expect.stringContaining(why)])
})
