import { Type } from 'avsc'
import { defineTopology, minutes, registry, seconds } from 'tidemark'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { MemoryMember } from '../../src/connect/memory/group.ts'
import { Previews } from '../../src/runtime/partition/previews.ts'
import { passRequestsOn } from '../../src/serve/worker-requests.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { HandRegistry, wireValue } from '../formats/registry/hand-registry.ts'
import { Event } from '../runtime/memory-workers.ts'
import { preparedBy } from '../runtime/registry-workers.ts'
import { perTenSeconds, START_MS } from '../runtime/support.ts'
import { event as eventOf, inTopic, reusing, row } from '../runtime/tables/reused.ts'
import { until } from '../services/cluster.ts'
import { prepare } from '../support/in-process.ts'
import { AskedWorkers, expectSame } from './asked-first.ts'
import {
  askedFlights,
  askedPayments,
  FLIGHTS,
  flights,
  PAYMENTS,
  payments,
} from './asked-topologies.ts'
import { statusOfRaw } from './on-connection.ts'

const open: AskedWorkers[] = []
afterEach(async () => {
  for (const workers of open.splice(0)) await workers.close()
})

async function workersOf(
  definition: Definition,
  topics: readonly string[],
  { workers = 3, partitions = 4 } = {},
): Promise<AskedWorkers> {
  const asked = new AskedWorkers(definition, topics, { partitions })
  open.push(asked)
  for (let i = 0; i < workers; i++) await asked.start()
  await asked.settled()
  return asked
}

describe('an event that is asked about, and then comes', () => {
  test('gets the same, also if it is a duplicate, late, filtered out or no event', async () => {
    const asked = await workersOf(askedPayments, PAYMENTS)
    const answers = await asked.askThenSend(payments(60, 20))
    for (const answer of answers) expectSame(answer)
    const whys = answers.map(({ body }) => body.why ?? body.code ?? 'scored')
    expect(new Set(whys)).toEqual(
      new Set(['scored', 'duplicate', 'skipped', 'LATE', 'JSON_INVALID']),
    )
    // Any worker is asked, and most do not have the partition.
    expect(answers.filter(({ answeredBy }) => answeredBy !== undefined).length).toBeGreaterThan(20)
  })

  test('gets the same of two kinds of event, with two tables', async () => {
    expect.hasAssertions()
    const asked = await workersOf(askedFlights, FLIGHTS)
    for (const answer of await asked.askThenSend(flights(60))) expectSame(answer)
  })

  test('gets the same score of a row, not that of a model', async () => {
    const topics = ['events', 'scores', 'events.dlq', 'nightly']
    const asked = await workersOf(reusing(inTopic), topics, { workers: 1, partitions: 1 })
    const nightly = { topic: 'nightly', key: 'k', value: JSON.stringify(row()) }
    const events = [eventOf(1), eventOf(2, { priority: 'high' }), eventOf(3, { a: 9 })]
    const sent = events.map((of) => ({ key: of.id, value: JSON.stringify(of) }))
    const answers = await asked.askThenSend([nightly, ...sent])
    for (const answer of answers) expectSame(answer)
    const told = answers.map(({ body: { route, model, score, reuse } }) => {
      return { route, model, score, reuse }
    })
    const live = { route: 'live', model: 'deep@3', reuse: null }
    const reuse = { ageMs: 1, drift: 0, confidence: 0.75 }
    expect(told).toMatchObject([
      { route: 'reuse', model: 'deep@2+0a1b2c3d', score: { probability: 0.25 }, reuse },
      live,
      live,
    ])
  })
})

describe('a topology', () => {
  test('says what it keeps of a key, at the worker that has it', async () => {
    const asked = await workersOf(askedPayments, PAYMENTS, { workers: 2 })
    for (const at of [0, 9_000]) asked.send({ key: 'c-1', value: payment({ at }) })
    await asked.settled()
    for (const at of [0, 1]) {
      expect(await asked.ask('/state/payments/c-1', { at })).toMatchObject({
        status: 200,
        body: {
          ...{ key: 'c-1', windows: {} },
          features: { features: { count5m: 2, sum5m: 40, secondsSincePrevious: 0 } },
          asOf: { offset: 2, watermarkMs: START_MS - 1_000 },
        },
      })
    }
    expect(await asked.ask('/state/payments/none')).toMatchObject({ status: 404 })
  })

  test('takes the key of a record in UTF-8, and none that is not', async () => {
    const topics = ['events', 'counts', 'events.dlq']
    const asked = await workersOf(keyed, topics, { workers: 2, partitions: 8 })
    const keys = ['abc', 'é', '日本', 'a, b', 'a%20b']
    const event = (at: number) => JSON.stringify({ at: START_MS + at })
    for (const key of keys) for (const at of [0, 1]) asked.send({ key, value: event(at) })
    await asked.settled()
    for (const key of keys) {
      for (const at of [0, 1]) {
        const answer = await asked.ask('/predict/keyed', { at, key, body: event(2) })
        expect(answer.body.outputs).toMatchObject([{ value: { n: 3 } }])
        const state = await asked.ask(`/state/keyed/${encodeURIComponent(key)}`, { at })
        expect(state.body).toMatchObject({ key, features: { features: { n: 2 } } })
      }
    }
    const { port = 0 } = asked.servers[0] ?? {}
    const head = 'POST /predict/keyed HTTP/1.1\r\nhost: localhost\r\ntidemark-key'
    const heads = [`${head}: \xe9`, `${head}: \xff\xfe`, `${head}: a\r\ntidemark-key: b`]
    const parent = await passRequestsOn({ port: 0 }, () => [{ port }])
    const statuses = [port, parent.port].flatMap((to) =>
      heads.map((each) => statusOfRaw(to, each, event(2))),
    )
    expect(await Promise.all(statuses)).toEqual([400, 400, 400, 400, 400, 400])
    expect(await statusOfRaw(port, 'GET /state/keyed/%ff HTTP/1.1\r\nhost: localhost')).toBe(400)
    await parent.close()
  })

  test('of windows alone previews no outputs, and says what its open windows have so far', async () => {
    const asked = await workersOf(perTenSeconds, ['events', 'scores', 'events.dlq'])
    const event = (at: number) => JSON.stringify({ key: 'k', at: START_MS + at, amount: 1 })
    for (const at of [9_500, 10_000, 10_500]) asked.send({ key: 'k', value: event(at) })
    await asked.settled()
    expect(await asked.ask('/predict/per-ten-seconds', { body: event(0) })).toMatchObject({
      status: 501,
    })
    const { body } = await asked.ask('/state/per-ten-seconds/k')
    const window = (start: number, n: number) => {
      const windowStartMs = START_MS + start
      return { key: 'k', windowStartMs, windowEndMs: windowStartMs + 10_000, n }
    }
    expect(body['windows']).toEqual({ tumbling: [window(0, 1), window(10_000, 2)] })
  })

  test('is not asked while nobody has its partition, and faults of a request say their place', async () => {
    const asked = new AskedWorkers(askedPayments, PAYMENTS, { partitions: 1 })
    open.push(asked)
    const worker = await asked.start()
    await asked.settled()
    const body = payment({ at: 0 })
    const ask = (path: string, given?: string) => asked.ask(path, given ? { body: given } : {})
    const statuses = async (...asks: (readonly [string, string?])[]) =>
      Promise.all(
        asks.map(async ([path, given]) => {
          const answer = await ask(path, given)
          return [answer.status, answer.body.code ?? answer.body['where']]
        }),
      )
    expect(
      await statuses(
        ['/predict/payments', body],
        ['/predict/none', body],
        ['/predict/payments', '{'],
        ['/predict/payments', payment({ amount: '20' })],
        ['/predict/payments'],
      ),
    ).toEqual([
      [200, undefined],
      [404, 'path'],
      [422, 'JSON_INVALID'],
      [422, 'SCHEMA_INVALID'],
      [405, '/predict/payments'],
    ])
    // Others may have its partitions by then.
    const silence = vi.spyOn(MemoryMember.prototype, 'isCountedOn').mockReturnValue(false)
    const silent = [await ask('/predict/payments', body), await ask('/state/payments/c-1')]
    silence.mockRestore()
    expect(silent.map(({ status }) => status)).toEqual([503, 503])
    expect(await ask('/predict/payments', body)).toMatchObject({ status: 200 })
    await worker.stop()
    expect(await ask('/predict/payments', body)).toMatchObject({ status: 503 })
  })

  test('answers after 10 s at the latest: 504 where the deadline of the request has passed, else 503', async () => {
    const asked = await workersOf(askedPayments, PAYMENTS, { workers: 1 })
    const endless = vi.spyOn(Previews.prototype, 'preview').mockReturnValue(new Promise(() => {}))
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    try {
      const url = `http://127.0.0.1:${asked.servers[0]?.port}/predict/payments`
      const asks = [{}, { 'tidemark-deadline-ms': '5000' }].map((headers) => {
        return fetch(url, { method: 'POST', body: payment({ at: 0 }), headers })
      })
      await until('asked', () => endless.mock.calls.length === asks.length)
      await vi.advanceTimersByTimeAsync(10_000)
      const answers = await Promise.all(asks)
      const told = answers.map(({ status, headers }) => [status, headers.get('retry-after')])
      expect(told).toEqual([
        [503, '1'],
        [504, null],
      ])
    } finally {
      vi.useRealTimers()
      endless.mockRestore()
    }
  })

  test('takes bytes with the id of a schema, as its records have them', async () => {
    const hand = new HandRegistry()
    hand.add(1, { type: 'avro', text: JSON.stringify(AVRO) })
    const prepared = () => preparedBy(hand, prepare([large], { registry: 'later' }))
    const topics = ['events', 'large', 'events.dlq']
    const asked = new AskedWorkers(large, topics, { partitions: 1, prepared })
    open.push(asked)
    await asked.start()
    await asked.settled()
    const bytes = Type.forSchema(AVRO).toBuffer({ key: 'k', at: START_MS, amount: 2.5 })
    const ask = (id: number) => asked.ask('/predict/large', { body: wireValue(id, bytes) })
    const outputs = [{ topic: 'large', key: 'k', value: { key: 'k', at: START_MS, amount: 2.5 } }]
    expect(await ask(1)).toMatchObject({ status: 200, body: { outputs } })
    // The stream would wait for it too.
    expect(await ask(2)).toMatchObject({ status: 503, body: { code: 'REGISTRY_UNAVAILABLE' } })
  })
})

const AVRO = {
  type: 'record' as const,
  name: 'Event',
  fields: [
    { name: 'key', type: 'string' as const },
    { name: 'at', type: 'long' as const },
    { name: 'amount', type: 'double' as const },
  ],
}

const large = defineTopology('large', (t) =>
  t
    .source('events', {
      schema: registry(Event),
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1) },
      onLate: 'score',
    })
    .where((e) => e.amount > 1)
    .sink('large'),
)

const keyed = defineTopology('keyed', (t) =>
  t
    .source('events', {
      schema: z.object({ at: z.int() }),
      key: (_, record) => record.key?.toString() ?? '',
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1) },
      onLate: 'score',
    })
    .features((f) => ({ n: f.events({}).rolling(minutes(1)).count() }))
    .map(({ features }) => ({ n: features.n }))
    .sink('counts'),
)

function payment({ at = 0, ...given }: { at?: number; amount?: unknown }): string {
  const text = { paymentId: `p-${at}`, cardId: 'c-1', merchantId: 'm-1', category: 'fuel' }
  return JSON.stringify({ ...text, country: 'DE', amount: 20, paidAt: START_MS + at, ...given })
}
