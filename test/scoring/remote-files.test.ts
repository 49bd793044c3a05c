import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readModel } from '../../src/scoring/unchecked-model.ts'
import { deadAddress } from '../services/dead-address.ts'
import { serving } from '../services/http-server.ts'
import { folderWith } from '../support/folder.ts'

// Models of an MLflow that a test plays; test/long/mlflow.test.ts has a real one.

const at = (name: string) => readFileSync(new URL(`../exports/${name}`, import.meta.url))
const [MODEL, WEIGHTS] = [at('mlp-external.onnx'), at('mlp-external.data')]
const FOLDER = 'mlflow-artifacts:/1/models/m-1/artifacts'
const PATH = '/1/models/m-1/artifacts'

interface Registry {
  /** Status and body of answers to the interface of the registry, by their path's last segment. */
  readonly answers?: Readonly<Record<string, readonly [number, unknown]>>
  readonly artifacts?: string
  readonly files?: Readonly<Record<string, Buffer>>
  readonly token?: string
}

/** Plays MLflow. Returns the requests that it was asked. */
async function mlflow(registry: Registry | (() => Registry) = {}) {
  const asked: string[] = []
  const url = await serving((request, response) => {
    const now = typeof registry === 'function' ? registry() : registry
    asked.push(request.url ?? '')
    if (now.token !== undefined && request.headers.authorization !== now.token) {
      json(response, 401, { message: 'You are not authenticated.' })
      return
    }
    answer(now, new URL(request.url ?? '', 'http://mlflow'), response)
  })
  vi.stubEnv('MLFLOW_TRACKING_URI', url.href)
  return { url, asked }
}

function answer(
  { answers = {}, artifacts = FOLDER, files = FILES }: Registry,
  { pathname }: URL,
  response: ServerResponse,
) {
  const last = pathname.split('/').at(-1) ?? ''
  const file = pathname.includes(PATH) ? files[decodeURIComponent(last)] : undefined
  if (file !== undefined) return response.end(file)
  const listed = Object.entries(files).map(([path, bytes]) => {
    return { path, is_dir: false, file_size: bytes.length }
  })
  const usual: Registry['answers'] = {
    alias: [200, { model_version: { name: 'fraud', version: '7' } }],
    'get-download-uri': [200, { artifact_uri: artifacts }],
    artifacts: [200, { files: [{ path: 'onnx', is_dir: true }, ...listed] }],
  }
  const [status, body] = answers[last] ?? usual[last] ?? [404, { message: 'no such file' }]
  return json(response, status, body)
}

function json(response: ServerResponse, status: number, body: unknown) {
  return response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
}

const FILES = { MLmodel: Buffer.from('x'), 'model.onnx': MODEL, 'mlp-external.data': WEIGHTS }
const SHA256 = createHash('sha256').update(MODEL).update(WEIGHTS).digest('hex')

let folder: string
beforeEach(() => {
  folder = folderWith({})
  for (const name of ['TOKEN', 'USERNAME', 'PASSWORD'])
    vi.stubEnv(`MLFLOW_TRACKING_${name}`, undefined)
})
afterEach(() => vi.unstubAllEnvs())

const read = (text = 'models:/fraud@production', sha256: string | null = null) =>
  readModel(new URL(text), 'here', { sha256, folder })
const contents = () =>
  readdirSync(join(folder, 'models')).map((name) => join(folder, 'models', name))

test('a model and its weights are those of the version that the alias names', async () => {
  const { asked } = await mlflow()
  expect(await read()).toMatchObject({ sha256: SHA256, size: MODEL.length + WEIGHTS.length })
  expect(asked.slice(0, 3).map((path) => path.replace('/api/2.0/', ''))).toEqual([
    'mlflow/registered-models/alias?name=fraud&alias=production',
    'mlflow/model-versions/get-download-uri?name=fraud&version=7',
    'mlflow-artifacts/artifacts?path=1%2Fmodels%2Fm-1%2Fartifacts',
  ])
})

test('names are sent as they are, also those that look like parts of a URL', async () => {
  const { asked } = await mlflow()
  await read(`models:/${encodeURIComponent('karten betrug&x=ü/..')}@${encodeURIComponent('a?b')}`)
  const query = new URL(asked[0] ?? '', 'http://mlflow').searchParams
  expect([...query]).toEqual([
    ['name', 'karten betrug&x=ü/..'],
    ['alias', 'a?b'],
  ])
})

test('the same version is not downloaded again; another is', async () => {
  let files: Readonly<Record<string, Buffer>> = FILES
  const { asked } = await mlflow(() => ({ files }))
  await read()
  asked.length = 0
  expect(await read()).toMatchObject({ sha256: SHA256, notes: [] })
  expect(asked.filter((path) => path.includes(PATH))).toEqual([])
  files = { ...FILES, 'model.onnx': Buffer.from('another model') }
  expect((await read()).bytes.toString()).toBe('another model')
})

test('while MLflow is down the version downloaded before is used, and said', async () => {
  let isDown = false
  await mlflow(() => (isDown ? { answers: { alias: [503, 'no'] } } : {}))
  await read()
  isDown = true
  const { sha256, notes } = await read()
  expect(sha256).toBe(SHA256)
  expect(notes).toEqual([
    'models:/fraud@production is version 7, as it was downloaded before: it answers 503',
  ])
  await expect(read('models:/fraud@other')).rejects.toMatchObject({ code: 'MODEL_FILE' })
})

test('what one server had is not used for another that is down', async () => {
  await mlflow()
  await read()
  vi.stubEnv('MLFLOW_TRACKING_URI', `http://${await deadAddress()}`)
  await expect(read()).rejects.toMatchObject({
    message: expect.stringMatching(/does not answer: connect ECONNREFUSED/),
    hint: 'is MLFLOW_TRACKING_URI right, and does MLflow run?',
  })
})

test('a downloaded file that was changed is downloaded again', async () => {
  await mlflow()
  await read()
  for (const file of contents()) writeFileSync(file, 'changed')
  expect(await read()).toMatchObject({ sha256: SHA256 })
})

test('bytes that are not the expected ones are not kept', async () => {
  const files = { ...FILES, 'model.onnx': Buffer.from('another model') }
  let isMended = false
  await mlflow(() => (isMended ? {} : { files }))
  expect((await read('models:/fraud/7', SHA256)).sha256).not.toBe(SHA256)
  expect(readdirSync(folder)).toEqual([])
  isMended = true
  expect((await read('models:/fraud/7', SHA256)).sha256).toBe(SHA256)
})

test('names on the server become no paths here', async () => {
  await mlflow()
  await read()
  expect(contents().every((path) => /\/[0-9a-f]{64}$/.test(path))).toBe(true)
})

test.each<{ are: string; files?: Registry['files']; why: RegExp }>([
  {
    are: 'missing',
    files: { 'model.onnx': MODEL },
    why: /"mlp-external.data".*not beside the model/,
  },
  {
    are: 'cut',
    files: { ...FILES, 'mlp-external.data': WEIGHTS.subarray(1) },
    why: /it has \d+ bytes of \d+/,
  },
  {
    are: 'elsewhere',
    files: { ...FILES, 'model.onnx': naming('../../../m-2/x.da'), '../../../m-2/x.da': WEIGHTS },
    why: /not beside the model/,
  },
])('weights that are $are are refused by name', async ({ files, why }) => {
  await mlflow({ ...(files && { files }) })
  await expect(read()).rejects.toMatchObject({
    code: 'MODEL_FILE',
    message: expect.stringMatching(why),
  })
})

/** The model with weights of another name, which has as many characters. */
function naming(place: string): Buffer {
  expect(place.length).toBe('mlp-external.data'.length)
  return Buffer.from(MODEL.toString('latin1').replaceAll('mlp-external.data', place), 'latin1')
}

test.each<{ it: string; registry: Registry; why: RegExp; hint: RegExp }>([
  {
    it: 'an unknown alias',
    registry: { answers: { alias: [400, { message: 'Registered model alias x not found.' }] } },
    why: /MLflow at 127.0.0.1:\d+: it answers 400: "Registered model alias x not found."/,
    hint: /page of the model/,
  },
  {
    it: 'an unknown name',
    registry: { answers: { alias: [404, { message: 'not\u001b[2J found' }] } },
    why: /it answers 404: "not\\u001b\[2J found"/,
    hint: /page of the model/,
  },
  {
    it: 'no login',
    registry: { token: 'Bearer secret' },
    why: /it answers 401: "You are not authenticated."/,
    hint: /MLFLOW_TRACKING_TOKEN/,
  },
  {
    it: 'a login without rights',
    registry: { answers: { alias: [403, { message: 'Permission denied' }] } },
    why: /it answers 403: "Permission denied"/,
    hint: /MLFLOW_TRACKING_TOKEN/,
  },
  {
    it: 'a host that MLflow does not know',
    registry: { answers: { alias: [403, 'Invalid Host header - possible DNS rebinding attack'] } },
    why: /it answers 403: "Invalid Host header/,
    hint: /--allowed-hosts/,
  },
  {
    it: 'an HTML page',
    registry: { answers: { alias: [200, '<html>Log in</html>'] } },
    why: /does not answer as MLflow does/,
    hint: /MLFLOW_TRACKING_URI/,
  },
  {
    it: 'an answer of another kind',
    registry: { answers: { alias: [200, { model_version: { version: 7 } }] } },
    why: /does not answer as MLflow does/,
    hint: /MLFLOW_TRACKING_URI/,
  },
  {
    it: 'two ONNX files',
    registry: { files: { ...FILES, 'b.onnx': MODEL } },
    why: /it holds several: "model.onnx", "b.onnx"/,
    hint: /log one ONNX model/,
  },
  {
    it: 'no ONNX file',
    registry: { files: { 'model.pkl': MODEL } },
    why: /it holds no .onnx file/,
    hint: /log one ONNX model/,
  },
  {
    it: 'an ONNX file elsewhere',
    registry: { files: { '../m-2/model.onnx': MODEL } },
    why: /it holds no .onnx file/,
    hint: /log one ONNX model/,
  },
  ...['s3://bucket/1', 'mlflow-artifacts://evil/1', 'mlflow-artifacts:/1/../2', 'dbfs:/1'].map(
    (artifacts) => ({
      it: `files at ${artifacts}`,
      registry: { artifacts },
      why: /its files are at ".*", which this MLflow does not serve/,
      hint: /--artifacts-destination/,
    }),
  ),
])('$it is refused in one sentence', async ({ registry, why, hint }) => {
  await mlflow(registry)
  await expect(read()).rejects.toMatchObject({
    code: 'MODEL_FILE',
    message: expect.stringMatching(why),
    hint: expect.stringMatching(hint),
    where: 'here',
  })
})

test.each([
  ['models:/fraud', /not a registered model/],
  ['models:/fraud/latest', /not a registered model/],
  ['models:/fraud@a@b', /not a registered model/],
  ['models://evil/fraud@production', /not a registered model/],
  ['models:/fraud/7?x=1', /not a registered model/],
  ['models:/%ff@production', /not a registered model/],
  ['http://127.0.0.1/model.onnx', /not the URL of a model/],
  ['https://user:password@127.0.0.1/model.onnx', /not the URL of a model/],
])('%s is refused before anything is asked', async (text, why) => {
  const { asked } = await mlflow()
  await expect(read(text)).rejects.toMatchObject({
    code: 'MODEL_FILE',
    message: expect.stringMatching(why),
  })
  expect(asked).toEqual([])
})

test.each([
  ['', /no MLflow server is named/],
  ['sqlite:///m.db', /not an http or https URL/],
  ['http://127.0.0.1/?x=1', /not an http or https URL/],
  ['https://user:pass@mlflow.example.com', /contains a login/],
])('MLFLOW_TRACKING_URI "%s" is refused without quoting it', async (uri, why) => {
  vi.stubEnv('MLFLOW_TRACKING_URI', uri)
  const message: unknown = await read().catch((error: Error) => error.message)
  expect(message).toMatch(why)
  expect(message).not.toContain('pass')
})

const BASIC = `Basic ${Buffer.from('me:pass').toString('base64')}`

test.each([
  ['Bearer secret', { TOKEN: 'secret' }],
  ['Bearer secret', { TOKEN: 'older', TOKEN_FILE: 'secret' }],
  [BASIC, { USERNAME: 'me', PASSWORD: 'pass' }],
  [BASIC, { USERNAME: 'me', PASSWORD_FILE: 'pass', TOKEN: 'secret' }],
])(
  'the login is "%s" by the variables of MLflow, or files of them: %j',
  async (token, variables) => {
    await mlflow({ token })
    const files = folderWith(variables)
    for (const [name, value] of Object.entries(variables)) {
      vi.stubEnv(`MLFLOW_TRACKING_${name}`, name.endsWith('_FILE') ? join(files, name) : value)
    }
    expect(await read()).toMatchObject({ sha256: SHA256 })
  },
)

test('a login is not sent by http to another machine', async () => {
  vi.stubEnv('MLFLOW_TRACKING_URI', 'http://192.0.2.1')
  vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'secret')
  await expect(read()).rejects.toThrow(/would show the login to others/)
})
