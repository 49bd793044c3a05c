import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ROOT } from '../support/paths.ts'

// Requests that nobody would write.

const golden = JSON.parse(
  readFileSync(join(ROOT, 'topologies/models/card-gbdt.golden.json'), 'utf8'),
) as { readonly inputs: number[][]; readonly outputs: number[][] }
/** A row of features, and its score. */
export const [row = []] = golden.inputs
export const [[score = 0] = []] = golden.outputs

/** About when the last payments are. */
const NEWEST_MS = Date.UTC(2026, 0, 1) + 200_000

export type Random = () => number
const one = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)] as T

/** Names that are found in every object, and such as are looked up. */
const NAMES = [
  ...[
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'valueOf',
    'isPrototypeOf',
    'length',
  ],
  ...[
    'gzip',
    'deflate',
    'identity',
    'GZIP',
    'card-gbdt',
    'card-gbdt@2',
    'wide',
    'card-fraud',
    'score',
  ],
  ...[
    'probability',
    'features',
    'é',
    '日本',
    '',
    '0',
    '-1',
    'NaN',
    '%00',
    '..',
    'n'.repeat(16_000),
  ],
]
/** Values of `Host` and `Origin`, the first of them right. */
const HOSTS = [
  'localhost',
  '[::1]:80',
  'evil.example',
  'localhost, localhost',
  '',
  'x'.repeat(9_000),
]
const ORIGINS = ['http://localhost', 'http://evil.example', 'null', '', 'https://[::1]:80', '\xff']
const KNOWN_HEADERS = [
  ...['content-encoding', 'tidemark-deadline-ms', 'tidemark-key', 'tidemark-forwarded', 'host'],
  ...['tidemark-worker', 'authorization', 'content-type', 'inference-header-content-length'],
  ...[
    'tidemark-answered-by',
    'content-length',
    'transfer-encoding',
    'connection',
    'origin',
    'expect',
  ],
]

const PATHS = [
  '/predict',
  '/predict',
  '/v2/models/wide/infer',
  '/v2/models/wide/infer',
  '/v2/models/card-gbdt/infer',
  '/v2',
  '/health',
  '/%ff',
  '//',
  '*',
  '*@127.0.0.1:9/x',
  'http://127.0.0.1:9/x',
  '//127.0.0.1:9/x',
  '/\\@127.0.0.1:9',
  '/\xe9',
  '/#',
  '/v2/models/%2e%2e/infer',
  '/predict/card-fraud',
  '/predict/card-fraud',
  '/predict/card-fraud?x=1',
  '/predict/%2f',
  '/predict/card-fraud/',
  '/state/card-fraud/c-000001',
  '/state/card-fraud/%2f%25%00',
  '/state/card-fraud/%f',
]
const METHODS = ['POST', 'POST', 'POST', 'GET', 'GET', 'PUT', 'OPTIONS', 'BREW', '']
const NUMBERS: readonly unknown[] = [0, -0, 1e300, -1e39, '1', null, [], {}, true, 1e-50]
const HEADERS = [
  'inference-header-content-length: 10',
  'inference-header-content-length: -1',
  'content-encoding: gzip',
  'content-encoding: br',
  'tidemark-deadline-ms: 0.001',
  'tidemark-deadline-ms: never',
  'tidemark-deadline-ms: 1e300',
  'tidemark-deadline-ms: 20.5',
  'tidemark-key: c-000001',
  'tidemark-key: \xff\xfe',
  'tidemark-key:',
  `tidemark-key: ${'k'.repeat(10_000)}`,
  'tidemark-forwarded: true',
  'tidemark-worker: 1',
  'tidemark-worker: 2',
  'tidemark-worker: -1',
  'tidemark-worker: 1e9',
  'tidemark-answered-by: x',
  'expect: 100-continue',
  'transfer-encoding: chunked',
  'content-length: 3',
  'connection: close',
  `x: ${'y'.repeat(20_000)}`,
  'no colon',
  '\x00: \x01',
]

/** A name of a route, a model, a topology, a key or a field. */
const named = (random: Random, usual: string) => (random() < 0.8 ? usual : one(random, NAMES))

/** Rows of the wide model in binary, as many as a body has at most, or up to a bound of the answer. */
function wide(random: Random): { readonly content: Buffer; readonly header: string } {
  const rows = one(random, [1, 100, 1_000, 40_000, 131_072, 131_073, 262_000])
  const output = { name: named(random, 'score') }
  const json = {
    inputs: [
      {
        ...{ name: 'features', datatype: 'FP32', shape: [rows, 1] },
        parameters: { binary_data_size: 4 * rows },
      },
    ],
    outputs: Array.from({ length: one(random, [1, 1, 1, 2, 5_000]) }, () => output),
    parameters: { binary_data_output: random() < 0.7 },
  }
  const head = Buffer.from(JSON.stringify(json))
  const numbers = Float32Array.from({ length: rows }, () => random() * 1e21)
  const content = Buffer.concat([head, Buffer.from(numbers.buffer)])
  return { content, header: `inference-header-content-length: ${head.length}` }
}

function body(random: Random): Buffer {
  const features = row.map((number) => (random() < 0.05 ? one(random, NUMBERS) : number))
  const tensor = {
    name: named(random, 'features'),
    datatype: one(random, ['FP32', 'INT8']),
    shape: [1, 13],
    data: features,
  }
  const payment = {
    ...{ paymentId: `p-${random()}`, cardId: `c-${Math.floor(random() * 1_000)}`, merchantId: 'm' },
    ...{ category: random() < 0.005 ? 'x'.repeat(1_000_000) : 'fuel', country: 'DE' },
    ...{ amount: random() < 0.9 ? 10 : one(random, NUMBERS), paidAt: NEWEST_MS + random() * 1e6 },
  }
  const value = one<unknown>(random, [
    payment,
    { ...payment, paidAt: Math.floor(payment.paidAt) },
    { ...payment, paidAt: Math.floor(payment.paidAt) },
    { features },
    { features: [features, row], model_id: named(random, 'card-gbdt') },
    { features: Array.from({ length: 5_000 }, () => row), model_id: 'card-gbdt' },
    { inputs: [tensor] },
    {
      inputs: [tensor],
      outputs: [{ name: named(random, 'probability') }, { name: 'probability' }],
    },
    { inputs: [] },
    Object.fromEntries([[one(random, NAMES), features]]),
    [],
    7,
  ])
  // A field that has the name of the prototype, beside the others.
  const text = JSON.stringify(value).replace(
    /^\{/,
    random() < 0.1 ? '{"__proto__":{"inputs":1},' : '{',
  )
  const bytes = Buffer.from(text)
  for (let n = random() < 0.3 ? 3 : 0; n > 0; n--)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  const edge = random()
  if (edge < 0.02) return gzipSync(Buffer.alloc(10_000_000))
  if (edge < 0.03) return Buffer.alloc(2 ** 20 + (random() < 0.5 ? 0 : 1), ' ')
  if (edge < 0.04) return gzipSync(Buffer.alloc(2 ** 20 + (random() < 0.5 ? 0 : 1)))
  return edge < 0.14 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
}

interface Sent {
  readonly bytes: Buffer
  /** Has it all that its head says? It must then be answered. */
  readonly isWhole: boolean
}

export function strangeRequest(random: Random, more: readonly string[] = []): Sent {
  let path = one(random, PATHS)
  if (random() < 0.2) path = path.replace(/[a-z-]+$/, encodeURIComponent(one(random, NAMES)))
  const large = path.includes('/wide/') && random() < 0.3 ? wide(random) : null
  const content = large?.content ?? body(random)
  const isWhole = random() < 0.9
  const length = isWhole ? content.length : Math.floor(random() * 2 * content.length)
  const headers = [`content-length: ${length}`, ...more]
  headers.push(`host: ${random() < 0.9 ? HOSTS[0] : one(random, HOSTS)}`)
  if (random() < 0.1) headers.push(`origin: ${one(random, ORIGINS)}`)
  if (large !== null) headers.push(large.header)
  while (random() < 0.25) headers.push(one(random, HEADERS))
  while (random() < 0.1) headers.push(`${one(random, KNOWN_HEADERS)}: ${one(random, NAMES)}`)
  if (random() < 0.05) headers.push(...headers)
  const method = large === null ? one(random, METHODS) : 'POST'
  const head = `${method} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`
  return { bytes: Buffer.concat([Buffer.from(head, 'latin1'), content]), isWhole }
}
