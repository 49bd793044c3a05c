import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { beforeAll, expect, test, vi } from 'vitest'
import { mulberry32 } from '../bench/payments.ts'
import { rssOf } from '../bench/process-usage.ts'
import { faultsOfAnswers } from '../chaos/asked-answers.ts'
import { askAll, perPartition } from '../integration/asked-cards.ts'
import { CardFraud, payments, WITH_FEATURES } from '../integration/card-fraud.ts'
import { twoWorkers } from '../integration/two-workers.ts'
import { connected } from '../serve/on-connection.ts'
import { kafkaTest } from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { httpOfRequests, start } from '../services/tidemark-in-test.ts'
import { workerPids } from '../services/worker-pids.ts'
import { ROOT } from '../support/paths.ts'
import { chosenSeed } from '../support/runs.ts'

// Requests that nobody would write, and connections that nobody would keep: the server answers on.

const REQUESTS = Number(process.env['TIDEMARK_TEST_REQUESTS'] ?? 3_000)
/** They go through two processes or three. */
const REQUESTS_TO_WORKERS = Number(process.env['TIDEMARK_TEST_REQUESTS'] ?? 3_000)
const PAYMENTS = 2_000
/** Connections at a time. */
const LANES = 64
/** A request that never ends is given up, ms. */
const GIVEN_UP_MS = 500
/** How long the answer to a whole request may take, ms: its bound, and a busy machine. */
const ANSWERED_MS = 15_000
/** How long that to a probe may take, and the end after SIGTERM, ms. */
const [PROBED_MS, ENDED_MS] = [1_000, 5_000]
/** Bounds of a body and of an answer, MB. */
const [BODY_MB, ANSWER_MB] = [1, 64]
/** Half of a slow request comes later. */
const SLOW_MS = 200
/** How much a process may grow, and how much at most while it is asked, MB. */
const MOST_GROWTH = 30
const MOST_PEAK = 8 * (BODY_MB + ANSWER_MB)
/** By when it must have given back the rest, ms. */
const SHRUNK_MS = 60_000

const golden = JSON.parse(
  readFileSync(join(ROOT, 'topologies/models/card-gbdt.golden.json'), 'utf8'),
) as { readonly inputs: number[][]; readonly outputs: number[][] }
const [row = []] = golden.inputs
const [[score = 0] = []] = golden.outputs

/** About when the last payments are. */
const NEWEST_MS = Date.UTC(2026, 0, 1) + 200_000

type Random = () => number
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

function request(random: Random, more: readonly string[] = []): Sent {
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

interface Probed {
  readonly probes: number
  /** Answers other than 200, and none. */
  readonly unhealthy: number
  readonly slowestProbeMs: number
}

/** How a server has answered. */
class Answers {
  /** Whole requests that it has left without one. */
  unanswered = 0
  slowestMs = 0
  mostBytes = 0

  get faults(): readonly string[] {
    return faultsIn({
      unanswered: [this.unanswered, 0],
      slowestMs: [this.slowestMs, ANSWERED_MS],
      // With its headers.
      mostBytes: [this.mostBytes, ANSWER_MB * 2 ** 20 + 1_000],
    })
  }
}

/** @param bounded figures, each with the most that it may be */
function faultsIn(bounded: Readonly<Record<string, readonly [number, number]>>): string[] {
  return Object.entries(bounded).flatMap(([name, [figure, most]]) =>
    figure > most ? [`${name}: ${figure} > ${most}`] : [],
  )
}

/** Sends a request that is whole, and waits for its answer. */
function ask(port: number, random: Random, answers: Answers): Promise<void> {
  const { bytes, isWhole } = request(random, ['connection: close'])
  if (!isWhole) return attack(port, random)
  const sinceMs = performance.now()
  let [bytesBack, status] = [0, '']
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (!status.startsWith('HTTP/1.1 ')) answers.unanswered++
      answers.mostBytes = Math.max(answers.mostBytes, bytesBack)
      answers.slowestMs = Math.max(answers.slowestMs, performance.now() - sinceMs)
      resolve()
    })
    socket.setTimeout(ANSWERED_MS, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      bytesBack += chunk.length
      if (status.length < 9) status += chunk.toString('latin1', 0, 9)
    })
    socket.write(bytes)
  })
}

/** Sends some requests on one connection, perhaps not wholly, and waits until it is over. */
function attack(port: number, random: Random): Promise<void> {
  const requests = Array.from({ length: 1 + Math.floor(random() * 4) }, () => request(random).bytes)
  const bytes = Buffer.concat(requests)
  const sent = random() < 0.1 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: random() < 0.2 })
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.setTimeout(GIVEN_UP_MS, () => socket.destroy())
    if (random() < 0.1) socket.write(sent, () => socket.destroy())
    else if (random() < 0.05) {
      socket.write(sent.subarray(0, sent.length / 2))
      setTimeout(() => socket.write(sent.subarray(sent.length / 2)), SLOW_MS)
    } else if (random() < 0.5) socket.end(sent)
    else socket.write(sent)
    socket.once('data', () => setImmediate(() => socket.end()))
    socket.resume()
  })
}

/** Asks for the health of a server until the faults of its answers are asked for. */
function probing(url: string): () => Promise<readonly string[]> {
  const prober = new Worker(new URL('./prober.js', import.meta.url), { workerData: { url } })
  const probed = once(prober, 'message') as Promise<[Probed]>
  return async () => {
    prober.postMessage('stop')
    const [{ probes, unhealthy, slowestProbeMs }] = await probed
    return faultsIn({
      unhealthy: [unhealthy, 0],
      slowestProbeMs: [slowestProbeMs, PROBED_MS],
      withoutProbes: [Number(probes === 0), 0],
    })
  }
}

/** Has them collect garbage, which the next look at them shows. */
function megabytesOf(pids: readonly number[]) {
  return pids.map((pid) => {
    process.kill(pid, 'SIGUSR2')
    const { rssBytes, peakRssBytes } = rssOf(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return { rss: rssBytes / 2 ** 20, peak: peakRssBytes / 2 ** 20 }
  })
}

/** Sends requests, after as many to warm up: each is answered, and processes keep no memory of it. */
async function storm(url: string, pids: readonly number[], requests: number): Promise<void> {
  const port = Number(new URL(url).port)
  const random = mulberry32(chosenSeed())
  const answers = new Answers()
  const probed = probing(url)
  const send = async (count: number) => {
    let left = count
    const lane = async () => {
      while (left-- > 0) await (random() < 0.5 ? ask(port, random, answers) : attack(port, random))
    }
    await Promise.all(Array.from({ length: LANES }, lane))
  }
  const first = megabytesOf(pids)
  await send(requests)
  megabytesOf(pids)
  await sleep(GIVEN_UP_MS)
  const before = megabytesOf(pids)
  await send(requests)
  expect([...answers.faults, ...(await probed())]).toEqual([])
  const grown = () => megabytesOf(pids).map(({ rss }, i) => rss - (before[i]?.rss ?? 0))
  await vi.waitFor(() => expect(grown().filter((mb) => mb >= MOST_GROWTH)).toEqual([]), {
    timeout: SHRUNK_MS,
    interval: 1_000,
  })
  const peaks = megabytesOf(pids).map(({ peak }, i) => peak - (first[i]?.rss ?? 0))
  expect(peaks.filter((mb) => mb >= MOST_PEAK)).toEqual([])
}

/** With as many hung requests as there are connections, probes are answered, and SIGTERM ends it. */
async function endedWhileHung(run: Running, url: string): Promise<void> {
  const partial = 'POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc'
  const port = Number(new URL(url).port)
  const hung = await Promise.all(Array.from({ length: 1_024 }, () => connected(port, partial)))
  const probed = probing(url)
  await sleep(PROBED_MS)
  expect(await probed()).toEqual([])
  const sinceMs = performance.now()
  run.process.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 0 })
  expect(performance.now() - sinceMs).toBeLessThan(ENDED_MS)
  for (const socket of hung) socket.destroy()
}

beforeAll(() => {
  const preload = new URL('./collect-on-signal.js', import.meta.url)
  vi.stubEnv('NODE_OPTIONS', `--import ${preload.href}`)
  return () => vi.unstubAllEnvs()
})

test('whatever is sent, the server answers in time, and keeps no memory of it', {
  timeout: 3_600_000,
}, async () => {
  const models = ['topologies/models/card-gbdt.model.ts', 'test/fixtures/models/wide.onnx']
  const files = models.map((file) => join(ROOT, file))
  const run = start(['serve', ...files, '--predict-port', '0'])
  const url = await httpOfRequests(run)
  await storm(url, [run.process.pid as number], REQUESTS)
  const answer = await fetch(`${url}/predict`, {
    method: 'POST',
    body: JSON.stringify({ features: row, model_id: 'card-gbdt' }),
  })
  expect(await answer.json()).toMatchObject({ prediction: score })
  expect(run.stderr()).not.toContain('answering a request failed')
  await endedWhileHung(run, url)
})

kafkaTest(
  'so do the workers of a parent, which then answer right',
  async (kafka) => {
    const cards = await CardFraud.on(kafka, WITH_FEATURES)
    try {
      const run = await twoWorkers(cards, '--predict-port', '0')
      const url = await httpOfRequests(run)
      await cards.send(payments(PAYMENTS, 1))
      await cards.allCommitted()
      const pids = [run.process.pid as number, ...workerPids(run)]
      await storm(url, pids, REQUESTS_TO_WORKERS)
      const answers = await askAll(url, perPartition(cards))
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
      expect(await faultsOfAnswers(PAYMENTS, answers)).toEqual([])
      expect(run.stderr()).not.toContain('answering a request failed')
      await endedWhileHung(run, url)
    } finally {
      await cards.close()
    }
  },
  3_600_000,
)
