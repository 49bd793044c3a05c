import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Counter, Registry } from 'prom-client'
import { Refused, type RunWorkerOptions, runWorker, type Topology } from 'tidemark'
import { expect, test } from 'vitest'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import cardFraud from '../bench/topologies/w1.ts'
import { ROOT } from '../support/paths.ts'
import { perMinute } from '../testing/support.ts'
import { explain } from './page/service.ts'

/** Where nobody listens. */
const NOBODY = ['127.0.0.1:1']
const MODELS = join(ROOT, 'test/fixtures/models')
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'warning', 'uncaughtException', 'exit'] as const

/** The faults that it is refused for, one line each. */
async function refusals(options: object, topologies: object = cardFraud): Promise<string[]> {
  try {
    await runWorker(topologies as typeof cardFraud, options)
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown
    return explain(thrown)
  }
  throw new Error('nothing was refused')
}

/** A worker without a broker. */
async function started(options: RunWorkerOptions = {}, topology: Topology<unknown> = perMinute) {
  const states: string[] = []
  let tell = () => {}
  const isUnavailable = new Promise<void>((resolve) => (tell = resolve))
  const observer = (event: RuntimeEvent) => {
    if (event.type !== 'state') return
    states.push(event.state)
    if (event.state === 'unavailable') tell()
  }
  const worker = await runWorker(topology, { brokers: NOBODY, observer, ...options })
  return { worker, states, isUnavailable }
}

test('options that cannot be are refused all at once, each with its name', async () => {
  const wrong = {
    brokers: ['kafka'],
    sasl: { mechanism: 'plain', username: 'u', password: 'secret' },
    guarantee: 'twice',
    compression: 'brotli',
    from: 'middle',
    group: '',
    workerName: 'a b',
    commitIntervalMs: 0,
    sessionTimeoutMs: 999,
    deadLetterBreakerPercent: 100,
    rebuildMs: -1,
    maxKeys: 1.5,
    statusEveryMs: Number.NaN,
    http: { port: 65_536 },
  }
  const told = await refusals(wrong)
  expect(told).toEqual([
    'CONFIG_INVALID · broker "kafka" is not host:port · brokers',
    expect.stringContaining('CONFIG_INVALID · SASL PLAIN without TLS'),
    'CONFIG_INVALID · is empty · group',
    expect.stringMatching(/^CONFIG_INVALID · "a b" is not 1 to 100 .* · workerName$/),
    'CONFIG_INVALID · 999 is not a whole number from 1000 to 1800000 · sessionTimeoutMs',
    'CONFIG_INVALID · "middle" is not earliest or latest · from',
    expect.stringMatching(/^CONFIG_INVALID · -1 is not .* · rebuildMs$/),
    'CONFIG_INVALID · "twice" is not exactly-once or at-least-once · guarantee',
    'CONFIG_INVALID · 0 is not a whole number from 1 to 60000 · commitIntervalMs',
    'CONFIG_INVALID · "brotli" is not none, gzip, snappy, lz4 or zstd · compression',
    'CONFIG_INVALID · 100 is not a whole number from 1 to 99 · deadLetterBreakerPercent',
    'CONFIG_INVALID · 1.5 is not a whole number from 1 to 9007199254740991 · maxKeys',
    'CONFIG_INVALID · NaN is not a whole number from 1000 to 86400000 · statusEveryMs',
    'CONFIG_INVALID · 65536 is not a whole number from 0 to 65535 · http.port',
  ])
  expect(told.join('\n')).not.toContain('secret')
})

test('what is no topology, a topic that none has and a model that does not fit are refused', async () => {
  expect(await refusals({}, [])).toEqual(['CONFIG_INVALID · no topology is given'])
  expect(await refusals({}, { name: 'x' })).toEqual([
    'CONFIG_INVALID · an argument is not a topology · pass what defineTopology returns',
  ])
  const models = { 'card-gbdt': join(MODELS, 'card-12-inputs.onnx') }
  const told = await refusals({ models, topics: { orders: 'o' } })
  expect(told).toHaveLength(2)
  expect(told[0]).toMatch(/^CONFIG_INVALID · no topology has a topic "orders"/)
  expect(told[1]).toMatch(/^MODEL_INPUT · card-gbdt@1/)
})

test('without a broker it goes on trying; it listens to no signal, serves nothing, and ends when told', async () => {
  const count = () => SIGNALS.map((name) => process.listenerCount(name))
  const before = count()
  const { worker, states, isUnavailable } = await started()
  await isUnavailable
  expect(worker).toMatchObject({ group: 'per-minute', http: null })
  expect(count()).toEqual(before)
  await worker.stop()
  await worker.done
  expect(states).toEqual(['starting', 'unavailable', 'stopped'])
})

test('an abort stops it, also one that came before it began', async () => {
  const later = new AbortController()
  const { worker, states } = await started({ signal: later.signal })
  later.abort()
  await worker.done
  expect(states.at(-1)).toBe('stopped')

  const early = await started({ signal: AbortSignal.abort() })
  await early.worker.done
  expect(early.states).toEqual(['starting', 'stopped'])
})

test('it logs and serves where it is asked to, and what it served is closed with it', async () => {
  const lines: string[] = []
  const take = (fields: object, message: string) => {
    lines.push(`${message} ${JSON.stringify(fields)}`)
  }
  const log = { debug: take, info: take, warn: take, error: take }
  const options = { log, http: { port: 0 }, group: 'g', workerName: 'w-0' }
  const { worker } = await started(options, cardFraud)
  expect(worker.notes.join()).toContain('remembers keys for ever')
  const address = `http://${worker.http?.host}:${worker.http?.port}`
  expect((await fetch(`${address}/livez`)).status).toBe(200)
  expect((await fetch(`${address}/readyz`)).status).toBe(503)
  const metrics = await (await fetch(`${address}/metrics`)).text()
  expect(metrics).toMatch(/^tidemark_model_info\{model="card-gbdt",version="1",.*\} 1$/m)
  expect(lines[0]).toBe('worker starts {"group":"g","guarantee":"exactly-once","workerName":"w-0"}')

  const port = worker.http?.port ?? 0
  const second = runWorker(perMinute, { brokers: NOBODY, http: { port } })
  await expect(second).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await worker.stop()
  await expect(fetch(`${address}/livez`)).rejects.toThrow('fetch failed')
})

test('its metrics are in a registry of the caller, of one worker at a time, until it has stopped', async () => {
  const metrics = new Registry()
  new Counter({ name: 'mine_total', help: 'of the caller', registers: [metrics] }).inc()
  const { worker } = await started({ metrics })
  const text = await metrics.metrics()
  expect(text).toMatch(/^mine_total 1$/m)
  expect(text).toMatch(/^tidemark_partitions_assigned\{.*\} 0$/m)
  expect(text).not.toContain('process_')

  const second = runWorker(perMinute, { brokers: NOBODY, metrics })
  const what = 'the registry has a metric tidemark_build_info already'
  await expect(second).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'metrics',
    message: what,
  })
  await worker.stop()
  expect((await metrics.metrics()).trim().split('\n').at(-1)).toBe('mine_total 1')

  const { worker: busy } = await started({ http: { port: 0 } })
  const port = busy.http?.port ?? 0
  const refused = runWorker(perMinute, { brokers: NOBODY, metrics, http: { port } })
  await expect(refused).rejects.toMatchObject({ message: expect.not.stringContaining('registry') })
  expect(metrics.getMetricsAsArray()).toHaveLength(1)
  await busy.stop()
})

test('who only defines a topology loads no client for Kafka, and who has no model no runtime for models', async () => {
  const index = pathToFileURL(join(ROOT, 'dist/index.js')).href
  const script = `import { createRequire } from 'node:module'
const { cache } = createRequire(${JSON.stringify(index)})
const loaded = () => ['kafkajs', 'onnxruntime-node', 'prom-client'].filter((name) =>
  Object.keys(cache).some((file) => file.includes('node_modules/' + name)))
const { runWorker } = await import(${JSON.stringify(index)})
console.log(loaded().join())
await runWorker([]).catch(() => {})
console.log(loaded().join())`
  const args = ['--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toBe('\nkafkajs,prom-client\n')
})
