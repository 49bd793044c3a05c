import { Ajv } from 'ajv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadSingle } from '../../src/scoring/models.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { RequestServer } from '../../src/serve/request-server.ts'
import { modelRoutes, served } from '../../src/serve/served-model.ts'
import type { ModelDefinition } from '../../src/topology/models.ts'
import { cardGbdt } from '../fixtures/models/card-gbdt.model.ts'

// Fields of the answers as the protocol describes them: kserve/open-inference-protocol,
// specification/protocol/open_inference_rest.yaml (18d5991). No others are allowed here, although
// the protocol does not forbid them.

const text = { type: 'string' } as const
const list = (items: object) => ({ type: 'array', items })
function object(
  required: Readonly<Record<string, object>>,
  more: Readonly<Record<string, object>> = {},
) {
  const properties = { ...required, ...more }
  return {
    type: 'object',
    properties,
    required: Object.keys(required),
    additionalProperties: false,
  }
}

const tensor = { name: text, datatype: text, shape: list({ type: 'integer' }) }
const parameters = { type: 'object' }
const SCHEMAS = {
  server: object({ name: text, version: text, extensions: list(text) }),
  model: object(
    { name: text, platform: text },
    { versions: list(text), inputs: list(object(tensor)), outputs: list(object(tensor)) },
  ),
  answer: object(
    {
      model_name: text,
      outputs: list(object({ ...tensor, data: list({ type: 'number' }) }, { parameters })),
    },
    { model_version: text, id: text, parameters },
  ),
  // A place is beside the message.
  error: object({ error: text }, { where: text }),
}

const model = cardGbdt as unknown as ModelDefinition
let scorer: Scorer
let server: RequestServer
beforeAll(async () => {
  const options = { evaluator: 'auto', latencyBudgetMs: 50 } as const
  ;({ scorer } = await loadSingle(model, options))
  const routes = modelRoutes([served(model, scorer)])
  server = await RequestServer.listen({ host: '127.0.0.1', port: 0, token: null, routes })
})
afterAll(async () => {
  await server.close()
  await scorer.close()
})

const row = cardGbdt.features.map((_, i) => i + 0.5)
const input = { name: 'features', shape: [1, row.length], datatype: 'FP32', data: row }

test.each<[keyof typeof SCHEMAS, string, object?]>([
  ['server', '/v2'],
  ['server', '/v2/'],
  ['model', '/v2/models/card-gbdt'],
  ['model', '/v2/models/card-gbdt/versions/1'],
  ['answer', '/v2/models/card-gbdt/infer', { inputs: [input] }],
  [
    'answer',
    '/v2/models/card-gbdt/infer',
    { id: '42', inputs: [input], outputs: [{ name: 'probability' }] },
  ],
  ['error', '/v2/models/card-gbdt/infer', { inputs: [] }],
  ['error', '/v2/models/none'],
])('the %s of %s has the fields of the protocol', async (schema, path, body) => {
  const post = body && { method: 'POST', body: JSON.stringify(body) }
  const answer: unknown = await (await fetch(`http://127.0.0.1:${server.port}${path}`, post)).json()
  const ajv = new Ajv({ allErrors: true })
  expect([ajv.validate(SCHEMAS[schema], answer), ajv.errors, answer]).toEqual([true, null, answer])
})
