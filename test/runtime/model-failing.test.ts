import { expect, test } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { amounts, committed, joined } from './hand-worker.ts'
import { record, scorer } from './support.ts'

const FAILING = new TidemarkError('MODEL_FAILING', 'm@1 fails on so many of 2 rows')

/** A worker whose model fails until it is mended. */
async function failing() {
  let isMended = false
  let asked = 0
  const by = scorer((rows) => {
    asked++
    if (!isMended) throw FAILING
    return rows
  })
  const { member, clock, watch, worker } = await joined(by)
  member.assign(1)
  member.give(1, [record(0), record(1)])
  await watch.until((w) => w.of('model-failing').length > 0)
  const mend = () => {
    isMended = true
  }
  return { member, clock, watch, worker, mend, asked: () => asked }
}

test('a model that fails on nearly all events sets none aside: they wait, and the worker says so', async () => {
  const { member, clock, watch, mend, asked } = await failing()
  expect(watch.of('state').at(-1)).toEqual({
    ...{ type: 'state', state: 'unavailable' },
    reason: 'events-0 waits: m@1 fails on so many of 2 rows',
  })
  await clock.asleepFor(1_000)
  clock.advance(1_000)
  await clock.asleepFor(2_000)
  expect(asked()).toBe(2)
  expect(await member.commitsNothing()).toBe(true)
  mend()
  clock.advance(2_000)
  const { outputs, deadLetters } = await committed(member)
  expect(amounts(outputs)).toEqual([0, 1])
  expect(deadLetters).toEqual([])
  expect(watch.of('model-failing').map(({ reason }) => reason)).toEqual([FAILING.message, null])
  expect(watch.of('state').at(-1)).toEqual({ type: 'state', state: 'running' })
})

test('a partition that is lost meanwhile is not waited for', async () => {
  const { member, clock, watch, asked } = await failing()
  member.lose()
  await watch.until((w) => w.of('state').at(-1)?.state === 'running')
  clock.advance(60_000)
  await new Promise((resolve) => setImmediate(resolve))
  expect(asked()).toBe(1)
})

test('a worker that is told to stop meanwhile leaves at once, and commits nothing of it', async () => {
  const { member, worker } = await failing()
  await worker.stop()
  expect(await member.commitsNothing()).toBe(true)
})
