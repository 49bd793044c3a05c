import { expect, test } from 'vitest'
import type { Format } from '../../src/formats/format.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { amounts, committed, joined } from './hand-worker.ts'
import { prepared, record } from './support.ts'

const DOWN = new TidemarkError('REGISTRY_UNAVAILABLE', 'the schema registry: it answered 503')

/** A worker whose schema registry is down until it is mended. */
async function waiting() {
  let isMended = false
  let asked = 0
  const all = prepared()
  const [topology] = all.topologies
  const json = topology?.format as Format
  const format: Format = {
    ...{ reader: json.reader, forms: json.forms, whyMade: null },
    decode: (records, slices) => json.decode(records, slices),
    prepare: async () => {
      asked++
      if (!isMended) throw DOWN
    },
  }
  const topologies = all.topologies.map((each) => ({ ...each, format }))
  const { member, clock, watch, worker } = await joined(undefined, {
    prepared: { ...all, topologies },
  })
  member.assign(1)
  member.give(1, [record(0), record(1)])
  await watch.until((w) => w.of('schema-missing').length > 0)
  const mend = () => {
    isMended = true
  }
  return { member, clock, watch, worker, mend, asked: () => asked }
}

test('while the schema registry is down no record is set aside: they wait, and the worker says so', async () => {
  const { member, clock, watch, mend, asked } = await waiting()
  expect(watch.of('state').at(-1)).toEqual({
    ...{ type: 'state', state: 'unavailable' },
    reason: 'events-0 waits: the schema registry: it answered 503',
  })
  await clock.asleepFor(250)
  clock.advance(250)
  await clock.asleepFor(500)
  expect(asked()).toBe(2)
  expect(await member.commitsNothing()).toBe(true)
  mend()
  clock.advance(500)
  const { outputs, deadLetters } = await committed(member)
  expect(amounts(outputs)).toEqual([0, 1])
  expect(deadLetters).toEqual([])
  expect(watch.of('schema-missing').map(({ reason }) => reason)).toEqual([DOWN.message, null])
  expect(watch.of('state').at(-1)).toEqual({ type: 'state', state: 'running' })
})

test('a partition that is lost meanwhile is not waited for', async () => {
  const { member, clock, watch, asked } = await waiting()
  member.lose()
  await watch.until((w) => w.of('state').at(-1)?.state === 'running')
  clock.advance(60_000)
  await new Promise((resolve) => setImmediate(resolve))
  expect(asked()).toBe(1)
})

test('a worker that is told to stop meanwhile leaves at once, and commits nothing of it', async () => {
  const { member, worker } = await waiting()
  await worker.stop()
  expect(await member.commitsNothing()).toBe(true)
})
