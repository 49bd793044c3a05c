import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { mulberry32 } from '../bench/payments.ts'
import { usageOf } from '../bench/process-usage.ts'
import { httpOfRequests, start } from '../services/tidemark-in-test.ts'
import { ROOT } from '../support/paths.ts'
import { chosenSeed } from '../support/runs.ts'

// Requests that nobody would write, and connections that nobody would keep: the server answers on.

const REQUESTS = Number(process.env['TIDEMARK_TEST_REQUESTS'] ?? 20_000)
/** Connections at a time. */
const LANES = 64
/** How long an answer may take, ms. A request that never ends is given up. */
const ANSWERED_MS = 500
/** How much the server may grow, MB. */
const MOST_GROWTH = 20

const golden = JSON.parse(
  readFileSync(join(ROOT, 'topologies/models/card-gbdt.golden.json'), 'utf8'),
) as { readonly inputs: number[][]; readonly outputs: number[][] }
const [row = []] = golden.inputs
const [[score = 0] = []] = golden.outputs

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
]
const METHODS = ['POST', 'POST', 'POST', 'GET', 'PUT', 'OPTIONS', 'BREW', '']
const NUMBERS: readonly unknown[] = [0, -0, 1e300, -1e39, '1', null, [], {}, true, 1e-50]
const HEADERS = [
  'inference-header-content-length: 10',
  'inference-header-content-length: -1',
  'content-encoding: gzip',
  'content-encoding: br',
  'tidemark-deadline-ms: 0.001',
  'tidemark-deadline-ms: never',
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
  const value = one<unknown>(random, [
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
    else if (random() < 0.5) socket.end(sent)
    else socket.write(sent)
    socket.once('data', () => setImmediate(() => socket.end()))
    socket.resume()
  })
}

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
  const port = Number(new URL(url).port)
  const random = mulberry32(chosenSeed())
  const rssMb = () => (usageOf(run.process.pid as number)?.rssBytes ?? 0) / 2 ** 20
  let left = REQUESTS
  const lane = async () => {
    while (left-- > 0) await attack(port, random)
  }
  const storm = () => Promise.all(Array.from({ length: LANES }, lane))
  left = REQUESTS / 4
  await storm()
  const before = rssMb()
  left = REQUESTS
  await storm()
  expect(rssMb() - before).toBeLessThan(MOST_GROWTH)
  const answer = await fetch(`${url}/predict`, {
    method: 'POST',
    body: JSON.stringify({ features: row }),
  })
  expect(await answer.json()).toMatchObject({ prediction: score })
  run.process.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 0 })
})
