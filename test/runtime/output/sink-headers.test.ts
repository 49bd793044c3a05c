import { defineTopology, describe as describeTopology, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { fingerprintOf } from '../../../src/runtime/start/fingerprint.ts'
import { startDriver } from '../../support/driver.ts'

const Order = z.object({ id: z.string(), at: z.number(), tenant: z.string().nullable() })
type Order = z.infer<typeof Order>
type Headers = (order: Order) => Record<string, string | Buffer | null>

const START_MS = Date.UTC(2026, 0, 1)
const order = (tenant: string | null = null): Order => ({ id: 'o-1', at: START_MS, tenant })

function orders(headers?: Headers, key?: (order: Order) => string) {
  return defineTopology('orders', (t) =>
    t
      .source('orders', {
        schema: Order,
        key: (o) => o.id,
        eventTimeMs: (o) => o.at,
        watermark: { lag: seconds(0) },
        onLate: 'drop',
        passHeaders: ['tenant', 'region'],
      })
      .sink('copies', { ...(headers && { headers }), ...(key && { key }) }),
  )
}

/** An output's headers besides those that Tidemark writes. */
function foreign(headers: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith('tidemark-'))
  return Object.fromEntries(own)
}

async function written(topology: ReturnType<typeof orders>, headers: Record<string, string> = {}) {
  const driver = await startDriver(topology)
  await driver.pipeRecords({ value: order('acme'), headers })
  const [output] = driver.outputs('copies')
  return { driver, headers: foreign(output?.headers ?? {}) }
}

describe('the headers of an output', () => {
  test('are those that its sink makes of the value; what is null is left out', async () => {
    const topology = orders((o) => ({ of: o.tenant, raw: Buffer.from('ü'), none: null, empty: '' }))
    expect((await written(topology)).headers).toEqual({ of: 'acme', raw: 'ü', empty: '' })
  })

  test('are also those of its record that are passed on, and no others', async () => {
    const given = {
      tenant: 'a',
      traceparent: '00-0af7-01',
      tracestate: 'b=1',
      cookie: 'secret',
      'tidemark-id': 'forged',
    }
    const passed = { tenant: 'a', traceparent: '00-0af7-01', tracestate: 'b=1' }
    for (const key of [undefined, (o: Order) => o.id]) {
      const { headers, driver } = await written(orders(undefined, key), given)
      expect(headers).toEqual(passed)
      expect(driver.outputs('copies')[0]?.id).toBe('orders/0/0/copies')
    }
  })

  test('are not those of the records of a window', async () => {
    const topology = defineTopology('counts', (t) =>
      t
        .source('orders', {
          schema: Order,
          key: (o) => o.id,
          eventTimeMs: (o) => o.at,
          watermark: { lag: seconds(0) },
          onLate: 'drop',
        })
        .tumbling(seconds(10), { emit: 'early' })
        .aggregate({}, (a) => ({ n: a.count() }))
        .sink('counts', { headers: (w) => ({ n: `${w.n}` }) }),
    )
    const driver = await startDriver(topology)
    await driver.pipeRecords({ value: order(), headers: { traceparent: '00-0af7-01' } })
    await driver.closeWindows()
    const headers = driver.outputs('counts').map((output) => foreign(output.headers))
    expect(headers).toEqual([{ n: '1' }, { n: '1' }])
  })

  test('of a dead letter are all that its record had', async () => {
    const driver = await startDriver(orders())
    const headers = { traceparent: '00-0af7-01', cookie: 'c' }
    await driver.pipeRecords({ key: 'k', value: 'no JSON', headers })
    expect(driver.deadLetters()[0]?.headers).toMatchObject(headers)
  })
})

const wrong: readonly [string, unknown, string][] = [
  ['is a number', () => ({ n: 1 }), 'header "n" must be text or a Buffer, got number'],
  ['is bytes of another kind', () => ({ n: new Uint8Array(1) }), 'header "n" must be text or'],
  ['is half a character', () => ({ n: '\ud800' }), 'header "n" is text with half a surrogate'],
  ['has no name', () => ({ '': 'x' }), 'a header has an empty name'],
  ['is named as our own', () => ({ 'tidemark-id': 'x' }), 'header "tidemark-id": only Tidemark'],
  ['is named as a reason', () => ({ 'tidemark.code': 'x' }), 'header "tidemark.code": only'],
  ['is named as of Streams', () => ({ '__streams.errors.topic': 'x' }), '"__streams.errors.topic"'],
  ['is not in an object', () => [['n', 'x']], 'headers must return an object, got array'],
  ['is promised', async () => ({ n: 'x' }), 'headers returned a promise'],
]

test.each(wrong)('an event whose header %s is set aside', async (_, headers, message) => {
  const { driver } = await written(orders(headers as Headers))
  expect(driver.outputs('copies')).toEqual([])
  expect(driver.deadLetters()).toMatchObject([{ code: 'OUTPUT_INVALID', step: 'copies' }])
  expect(driver.deadLetters()[0]?.message).toContain(message)
})

test('an event on which the function throws is set aside, and its neighbours are written', async () => {
  const driver = await startDriver(orders((o) => ({ of: (o.tenant as string).toUpperCase() })))
  await driver.pipe([order('a'), order(null), order('b')])
  expect(driver.outputs('copies').map((o) => foreign(o.headers))).toEqual([
    { of: 'A' },
    { of: 'B' },
  ])
  expect(driver.deadLetters()).toMatchObject([
    { code: 'FUNCTION_THREW', message: 'headers threw TypeError' },
  ])
})

test('a description tells the headers of the sink, and those that are passed on', () => {
  const { source, steps } = describeTopology(orders((o) => ({ of: o.tenant })))
  expect(source.passHeaders).toEqual(['tenant', 'region'])
  expect(steps[0]?.detail).toMatchObject({ headers: '(o) => ({ of: o.tenant })' })
})

test('windows do not depend on headers: with others they are not rebuilt', () => {
  const topology = orders()
  const { passHeaders: _, ...source } = topology.source
  expect(fingerprintOf({ ...topology, source })).toBe(fingerprintOf(topology))
})
