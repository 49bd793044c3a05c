import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { beforeAll, expect, test, vi } from 'vitest'
import { MOST } from '../../src/serve/request-fault.ts'
import { mulberry32 } from '../bench/payments.ts'
import { rssOf } from '../bench/process-usage.ts'
import { faultsOfAnswers } from '../chaos/asked-answers.ts'
import { askAll, perPartition } from '../integration/asked-cards.ts'
import { CardFraud, payments, WITH_FEATURES } from '../integration/card-fraud.ts'
import { twoWorkers } from '../integration/two-workers.ts'
import { connected } from '../serve/on-connection.ts'
import { until } from '../services/cluster.ts'
import { kafkaTest } from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { httpOfRequests, start } from '../services/tidemark-in-test.ts'
import { workerPids } from '../services/worker-pids.ts'
import { ROOT } from '../support/paths.ts'
import { chosenSeed } from '../support/runs.ts'
import { type Random, row, score, strangeRequest } from './strange-requests.ts'

// Requests that nobody would write, and connections that nobody would keep: the server answers on.

const REQUESTS = Number(process.env['TIDEMARK_TEST_REQUESTS'] ?? 1_000)
/** Requests after which buffers and arenas have their size. */
const WARM_UP = 1_000
const PAYMENTS = 2_000
/** Connections at a time. */
const LANES = 64
/** A request that never ends is given up, ms. */
const GIVEN_UP_MS = 500
/** How long an answer may take, ms: the server ends each request in half of that. */
const ANSWERED_MS = 2 * MOST.wholeMs
/** Bounds of a body and of an answer, MB. */
const [BODY_MB, ANSWER_MB] = [1, 64]
/** Half of a slow request comes later. */
const SLOW_MS = 200
/** How much a process may grow, and how much at most while it is asked, MB. */
const MOST_GROWTH = 30
const MOST_PEAK = 8 * (BODY_MB + ANSWER_MB)

/** How a server has answered. */
class Answers {
  /** Heads of whole requests that it has left without one. */
  readonly unanswered: string[] = []
  slowestMs = 0
  mostBytes = 0

  get faults(): readonly string[] {
    const faults = this.unanswered.map((head) => `unanswered: ${head}`)
    if (this.slowestMs > ANSWERED_MS) faults.push(`${this.slowestMs} ms`)
    // With its headers.
    if (this.mostBytes > ANSWER_MB * 2 ** 20 + 1_000) faults.push(`${this.mostBytes} bytes`)
    return faults
  }
}

/** Sends a request that is whole, and waits for its answer. */
function ask(port: number, random: Random, answers: Answers): Promise<void> {
  const { bytes, isWhole } = strangeRequest(random, ['connection: close'])
  if (!isWhole) return attack(port, random)
  const sinceMs = performance.now()
  let [bytesBack, status] = [0, '']
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (!status.startsWith('HTTP/1.1 ')) answers.unanswered.push(bytes.toString('latin1', 0, 200))
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
  const requests = Array.from(
    { length: 1 + Math.floor(random() * 4) },
    () => strangeRequest(random).bytes,
  )
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
  const workerData = { url, withinMs: ANSWERED_MS }
  const prober = new Worker(new URL('./prober.js', import.meta.url), { workerData })
  const probed = once(prober, 'message') as Promise<[readonly string[]]>
  return async () => {
    prober.postMessage('stop')
    return (await probed)[0]
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

/** Sends requests, after some to warm up: each is answered, and processes keep no memory of it. */
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
  await send(WARM_UP)
  megabytesOf(pids)
  await sleep(GIVEN_UP_MS)
  const before = megabytesOf(pids)
  await send(requests)
  expect([...answers.faults, ...(await probed())]).toEqual([])
  const grown = () => megabytesOf(pids).map(({ rss }, i) => rss - (before[i]?.rss ?? 0))
  const isSmall = () => grown().every((mb) => mb < MOST_GROWTH)
  await until('small again', isSmall)
  const peaks = megabytesOf(pids).map(({ peak }, i) => peak - (first[i]?.rss ?? 0))
  expect(peaks.filter((mb) => mb >= MOST_PEAK)).toEqual([])
}

/** With as many hung requests as there are connections, probes are answered, and SIGTERM ends it. */
async function endedWhileHung(run: Running, url: string): Promise<void> {
  const partial = 'POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc'
  const port = Number(new URL(url).port)
  const hung = await Promise.all(Array.from({ length: 1_024 }, () => connected(port, partial)))
  expect(await probing(url)()).toEqual([])
  run.process.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 0 })
  for (const socket of hung) socket.destroy()
}

beforeAll(() => {
  const preload = new URL('./collect-on-signal.js', import.meta.url)
  vi.stubEnv('NODE_OPTIONS', `--import ${preload.href}`)
  // Otherwise glibc keeps 100 MB that have been freed, for later requests.
  vi.stubEnv('MALLOC_MMAP_THRESHOLD_', String(2 ** 14))
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
      await storm(url, pids, REQUESTS)
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
