import { avro, defineTopology, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { PayloadEncoder } from '../../src/formats/payload.ts'
import { RegisteredOutput } from '../../src/formats/registry/outputs.ts'
import type { Refused } from '../../src/kernel/errors.ts'
import { HandSubjects } from '../formats/registry/hand-registry.ts'
import { HandClock, longestWaits } from '../support/clocks.ts'
import { startDriver } from '../support/driver.ts'
import { HASH } from '../support/hash.ts'
import { prepare, startWorker } from '../support/in-process.ts'
import { HandRecords } from './hand-records.ts'
import { preparedTopology, START_MS, Watch } from './support.ts'

// Sinks whose values have a schema, in topologies and workers.

const COPY = {
  type: 'record',
  name: 'Copy',
  fields: [
    { name: 'key', type: 'string' },
    { name: 'amount', type: 'int' },
    { name: 'raw', type: 'bytes', default: 'ÿ' },
  ],
}
const TOTAL = {
  type: 'record',
  name: 'Total',
  fields: [
    { name: 'key', type: 'string' },
    ...['windowStartMs', 'windowEndMs'].map((name) => ({ name, type: 'long' })),
    { name: 'sum', type: 'double' },
  ],
}
const Event = z.object({ key: z.string(), at: z.int(), amount: z.number() })

const source = {
  schema: Event,
  key: (e: z.infer<typeof Event>) => e.key,
  eventTimeMs: (e: z.infer<typeof Event>) => e.at,
  watermark: { lag: seconds(0) },
  onLate: 'drop',
} as const

const copies = defineTopology('copies', (t) => {
  const events = t.source('events', source)
  return [
    events.map(({ key, amount }) => ({ key, amount })).sink('copies', { format: avro(COPY) }),
    events.sink('plain'),
    events
      .tumbling(minutes(1))
      .aggregate({ amount: (e) => e.amount }, (a) => ({ sum: a.sum('amount') }))
      .sink('totals', { format: avro(TOTAL) }),
  ]
})

test('in a test, outputs are what a consumer reads, as JSON; those that do not fit are dead letters', async () => {
  const driver = await startDriver(copies)
  await driver.pipe([
    { key: 'a', at: START_MS, amount: 1 },
    { key: 'a', at: START_MS + 1, amount: 0.5 },
  ])
  await driver.closeWindows()
  expect(driver.outputs('copies').map(({ value }) => value)).toEqual([
    { key: 'a', amount: 1, raw: { base64: '/w==' } },
  ])
  expect(driver.deadLetters()).toMatchObject([
    {
      code: 'OUTPUT_INVALID',
      step: 'copies',
      message:
        'field amount must be a whole number from -2147483648 to 2147483647, got number (Avro schema Copy)',
    },
  ])
  expect(driver.outputs('plain')).toHaveLength(2)
  expect(driver.outputs('totals')).toMatchObject([{ key: 'a', value: { key: 'a', sum: 1.5 } }])
})

test('every sink whose schema is wrong is refused, before a broker is asked', async () => {
  const wrong = defineTopology('wrong', (t) => {
    const events = t.source('events', source)
    return [events.sink('a', { format: avro('{') }), events.sink('b', { format: avro('x') })]
  })
  const refused = (await prepare([wrong], { registry: 'later' }).catch(
    (thrown: unknown) => thrown,
  )) as Refused
  expect(refused.faults.map(({ code, where }) => [code, where])).toEqual([
    ['TOPOLOGY_INVALID', 'wrong/a'],
    ['TOPOLOGY_INVALID', 'wrong/b'],
  ])
})

const ENCODER: PayloadEncoder = { type: null, encode: () => Buffer.alloc(0) }

/** A worker with one sink, whose schema is not in its subject until it is put there. */
function started(subjects: HandSubjects) {
  const schema = { type: 'avro', text: '"int"' } as const
  const about = { schema, subject: 's', register: false, where: 'test/out' }
  const outputs = new Map([['out', new RegisteredOutput(about, ENCODER, subjects)]])
  const prepared = {
    topologies: [{ ...preparedTopology(), outputs }],
    variants: [],
    notes: [],
    hash: HASH,
    close: async () => {},
  }
  const [records, watch, clock] = [new HandRecords(), new Watch(), new HandClock(START_MS)]
  const { observer } = watch
  const options = { prepared, records, group: 'g', clock, random: longestWaits, observer }
  return { worker: startWorker(options), records, watch, clock }
}

test('a worker waits for a registry that is down, says so, and then joins', async () => {
  const subjects = new HandSubjects()
  subjects.isDown = true
  subjects.add('s', '"int"', 7)
  const { worker, records, watch, clock } = started(subjects)
  await watch.until(() => watch.states.at(-1) === 'unavailable')
  expect(watch.of('state').at(-1)?.reason).toBe('the registry is down; next attempt in 0.5 s')
  subjects.isDown = false
  await clock.asleepFor(500)
  clock.advance(500)
  await records.member()
  await worker.stop()
  expect(watch.states).toEqual(['starting', 'unavailable', 'running', 'stopping', 'stopped'])
})

test('a worker does not join with a schema that is not registered', async () => {
  const { worker, watch } = started(new HandSubjects())
  await expect(worker.done).rejects.toMatchObject({ faults: [{ code: 'SCHEMA_NOT_REGISTERED' }] })
  expect(watch.states).toEqual(['starting', 'failed'])
})

test('a worker that is told to stop while it waits for the registry stops', async () => {
  const subjects = new HandSubjects()
  subjects.isDown = true
  const { worker, watch } = started(subjects)
  await watch.until(() => watch.states.at(-1) === 'unavailable')
  await worker.stop()
  expect(watch.states.at(-1)).toBe('stopped')
})
