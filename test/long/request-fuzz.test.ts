import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, expect, test, vi } from 'vitest'
import { mulberry32 } from '../bench/payments.ts'
import { usageOf } from '../bench/process-usage.ts'
import { faultsOfAnswers } from '../chaos/asked-answers.ts'
import { askAll, perPartition } from '../integration/asked-cards.ts'
import { CardFraud, payments, WITH_FEATURES } from '../integration/card-fraud.ts'
import { twoWorkers } from '../integration/two-workers.ts'
import { kafkaTest } from '../services/kafka.ts'
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
/** How long an answer may take, ms. A request that never ends is given up. */
const ANSWERED_MS = 500
/** Half of a slow request comes later. */
const SLOW_MS = 200
/** How much a process may grow, MB. */
const MOST_GROWTH = 20

const golden = JSON.parse(
  readFileSync(join(ROOT, 'topologies/models/card-gbdt.golden.json'), 'utf8'),
) as { readonly inputs: number[][]; readonly outputs: number[][] }
const [row = []] = golden.inputs
const [[score = 0] = []] = golden.outputs

/** About when the last payments are. */
const NEWEST_MS = Date.UTC(2026, 0, 1) + 200_000

type Random = () => number
const one = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)] as T

const PATHS = [
  '/predict',
  '/v2/models/card-gbdt/infer',
  '/v2',
  '/health',
  '/%ff',
  '//',
  '*',
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

function body(random: Random): Buffer {
  const features = row.map((number) => (random() < 0.05 ? one(random, NUMBERS) : number))
  const tensor = {
    name: 'features',
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
    { features: [features, row] },
    { inputs: [tensor] },
    { inputs: [] },
    [],
    7,
  ])
  const bytes = Buffer.from(JSON.stringify(value))
  for (let n = random() < 0.3 ? 3 : 0; n > 0; n--)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  if (random() < 0.02) return gzipSync(Buffer.alloc(10_000_000))
  return random() < 0.1 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
}

function request(random: Random): Buffer {
  const content = body(random)
  const length = random() < 0.9 ? content.length : Math.floor(random() * 2 * content.length)
  const headers = ['host: x', `content-length: ${length}`]
  while (random() < 0.25) headers.push(one(random, HEADERS))
  const head = `${one(random, METHODS)} ${one(random, PATHS)} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), content])
}

/** Sends some requests on one connection, perhaps not wholly, and waits until it is over. */
function attack(port: number, random: Random): Promise<void> {
  const requests = Array.from({ length: 1 + Math.floor(random() * 4) }, () => request(random))
  const bytes = Buffer.concat(requests)
  const sent = random() < 0.1 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: random() < 0.2 })
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.setTimeout(ANSWERED_MS, () => socket.destroy())
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

/** Sends requests, after as many to warm up. @returns how much each process grew, MB */
async function storm(port: number, pids: readonly number[], requests: number): Promise<number[]> {
  const random = mulberry32(chosenSeed())
  const send = async (count: number) => {
    let left = count
    const lane = async () => {
      while (left-- > 0) await attack(port, random)
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    return pids.map((pid) => (usageOf(pid)?.rssBytes ?? 0) / 2 ** 20)
  }
  const before = await send(requests)
  const after = await send(requests)
  return pids.map((_, i) => (after[i] ?? 0) - (before[i] ?? 0))
}

beforeAll(() => {
  const preload = new URL('./collect-often.js', import.meta.url)
  vi.stubEnv('NODE_OPTIONS', `--import ${preload.href}`)
  return () => vi.unstubAllEnvs()
})

test('whatever is sent, the server answers on, and keeps no memory of it', {
  timeout: 600_000,
}, async () => {
  const run = start([
    'serve',
    join(ROOT, 'topologies/models/card-gbdt.model.ts'),
    '--predict-port',
    '0',
  ])
  const url = await httpOfRequests(run)
  const [grown] = await storm(Number(new URL(url).port), [run.process.pid as number], REQUESTS)
  expect(grown).toBeLessThan(MOST_GROWTH)
  const answer = await fetch(`${url}/predict`, {
    method: 'POST',
    body: JSON.stringify({ features: row }),
  })
  expect(await answer.json()).toMatchObject({ prediction: score })
  run.process.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 0 })
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
      const grown = await storm(Number(new URL(url).port), pids, REQUESTS_TO_WORKERS)
      expect(grown.filter((mb) => mb >= MOST_GROWTH)).toEqual([])
      const answers = await askAll(url, perPartition(cards))
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
      expect(await faultsOfAnswers(PAYMENTS, answers)).toEqual([])
      expect(run.stderr()).not.toContain('answering a request failed')
      run.process.kill('SIGTERM')
      expect(await run.ended).toMatchObject({ code: 0 })
    } finally {
      await cards.close()
    }
  },
  600_000,
)
