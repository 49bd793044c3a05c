import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { NO_ROWS, type Scorer } from '../../src/scoring/scorer.ts'
import { RequestServer } from '../../src/serve/request-server.ts'
import { modelRoutes, served } from '../../src/serve/served-model.ts'
import type { ModelDefinition } from '../../src/topology/models.ts'

// A model of one feature with 200 classes and a number.

const classes = Array.from({ length: 200 }, (_, i) => `class-${i}`)
const model = {
  ...{ name: 'wide', version: '1', input: 'x', features: ['a'] },
  outputs: { risk: { tensor: 'p', columns: classes }, count: { tensor: 'n', column: 0 } },
} as unknown as ModelDefinition

let server: RequestServer
/** Rows of each batch. */
let batches: number[]
let isFailing: boolean

beforeEach(async () => {
  batches = []
  isFailing = true
  const score: Scorer['score'] = async (_rows, count) => {
    batches.push(count)
    if (isFailing) throw new TidemarkError('MODEL_LOST', 'not here')
    const columns = Array.from({ length: 201 }, (_, i) =>
      Float64Array.from({ length: count }, (_unused, row) => i + 0.1 + 256 * row),
    )
    return { columns, failed: NO_ROWS, lost: NO_ROWS, runMs: 0 }
  }
  const about = { name: 'wide', label: 'wide@1', state: 'open', maxBatch: 1_000 }
  const scorer = { ...about, float32: new Set(['p']), score } as unknown as Scorer
  server = await RequestServer.listen({ port: 0, routes: modelRoutes([served(model, scorer)]) })
})
afterEach(() => server.close())

const MODEL = '/v2/models/wide'

async function ask(path: string, body: Buffer | object, headers: Record<string, string> = {}) {
  const text = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    ...{ method: 'POST', body: new Uint8Array(text), headers },
  })
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) }
}

/** Asks about so many rows, in binary. */
function infer(rows: number, more: object) {
  const parameters = { binary_data_size: rows * 4 }
  const tensor = { name: 'x', datatype: 'FP32', shape: [rows, 1], parameters }
  const json = Buffer.from(JSON.stringify({ inputs: [tensor], ...more }))
  const length = { 'inference-header-content-length': String(json.length) }
  return ask(`${MODEL}/infer`, Buffer.concat([json, Buffer.alloc(rows * 4)]), length)
}

const inBinary = { parameters: { binary_data_output: true } }

describe('an answer that could be too large is 413 before a row is scored', () => {
  // 503: it was scored.
  test.each<[what: string, asked: [rows: number, more: object], status: number]>([
    ['2^23 scores', [41_734, inBinary], 503],
    ['more than 2^23 scores', [41_735, inBinary], 413],
    ['as many, of which few are wanted', [41_735, { outputs: [{ name: 'count' }] }], 413],
    ['JSON of almost 64 MiB', [12_800, { outputs: [{ name: 'risk' }] }], 503],
    ['JSON of more than 64 MiB', [12_906, { outputs: [{ name: 'risk' }] }], 413],
    ['250,000 rows', [250_000, {}], 413],
  ])('%s', async (_, [rows, more], status) => {
    expect(await infer(rows, more)).toMatchObject({ status })
    expect(batches).toEqual(status === 413 ? [] : [rows])
  })

  test('so with /predict', async () => {
    const features = Array.from({ length: 50_000 }, () => [1])
    expect(await ask('/predict', { features })).toMatchObject({ status: 413 })
    expect(batches).toEqual([])
  })
})

test('an output named 10,000 times is 400', async () => {
  const outputs = Array.from({ length: 10_000 }, () => ({ name: 'count' }))
  expect(await infer(10, { outputs })).toMatchObject({ status: 400 })
  expect(batches).toEqual([])
})

test('an output is FP32 where the file has float32, and FP64 where it has another type', async () => {
  const metadata = (await (await fetch(`http://127.0.0.1:${server.port}${MODEL}`)).json()) as {
    readonly outputs: readonly object[]
  }
  expect(metadata.outputs).toEqual([
    { name: 'risk', datatype: 'FP32', shape: [-1, 200] },
    { name: 'count', datatype: 'FP64', shape: [-1] },
  ])
  isFailing = false
  const { bytes } = await infer(1, inBinary)
  const end = bytes.length - 8
  expect(bytes.readDoubleLE(end)).toBe(200.1)
  expect(bytes.readFloatLE(end - 4)).toBe(Math.fround(199.1))
})

test('an answer that is made in several turns has the scores of each row', async () => {
  isFailing = false
  const rows = 300
  const risks = Array.from({ length: rows * 200 }, (_, at) => {
    return (at % 200) + 0.1 + 256 * Math.floor(at / 200)
  })
  const outputs = [{ name: 'risk' }, { name: 'count', parameters: { binary_data: true } }]
  const { bytes } = await infer(rows, { outputs })
  const json = bytes.subarray(0, bytes.length - 8 * rows)
  expect(JSON.parse(json.toString())).toMatchObject({
    outputs: [{ shape: [rows, 200], data: risks }, { name: 'count' }],
  })
  expect(bytes.readDoubleLE(bytes.length - 8)).toBe(200.1 + 256 * (rows - 1))
})
