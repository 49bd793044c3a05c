import { expect, test } from 'vitest'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { Durations } from '../../../src/observe/histograms.ts'
import { Fakes, IN_ORDER, KILLED } from './fake-process.ts'

const RUNNING = { ready: true, state: 'running', partitions: 3, restoring: 0 } as const
const nobody = (_: unknown, run: () => void) => run()

test('a process that is prepared is released, and told of', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  const told: unknown[] = []
  const kept = worker.keep((outline, run) => {
    told.push(outline)
    run()
  })
  const process = await fakes.started(1)
  expect(process.told).toEqual([])
  process.begin()
  expect(told).toHaveLength(1)
  expect(process.told).toEqual(['run'])
  worker.stop()
  process.heard.ended(IN_ORDER)
  await kept
})

test('how long its stages took is told when it stops', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  process.begin()
  worker.stop()
  const durations = new Durations()
  durations.add(7)
  process.heard.finished([['decode', durations.data()]])
  process.heard.ended(IN_ORDER)
  await kept
  expect(fakes.finished).toEqual([['decode', expect.objectContaining({ count: 1, sumMs: 7 })]])
})

test('one that is killed is started again after its wait, which is logged and counted', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  const kept = worker.keep(nobody)
  const first = await fakes.started(1)
  first.begin()
  first.heard.ended(KILLED)
  await fakes.clock.asleepFor(1_000)
  expect(fakes.lines.at(-1)).toEqual({
    level: 'error',
    message: 'worker has ended and will be restarted; nothing is lost',
    fields: { worker: 2, reason: 'its process ended by SIGKILL', nextAttemptMs: 1_000 },
  })
  fakes.clock.advance(999)
  expect(fakes.processes).toHaveLength(1)
  fakes.clock.advance(1)
  const second = await fakes.started(2)
  expect(fakes.restarted).toEqual([2])
  worker.stop()
  second.heard.ended(IN_ORDER)
  await kept
})

test('one that ends in order though nobody told it to is started again', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const first = await fakes.started(1)
  first.begin()
  first.heard.ended(IN_ORDER)
  await fakes.clock.asleepFor(1_000)
  worker.stop()
  await kept
  expect(fakes.processes).toHaveLength(1)
})

test('what is told to stop while it waits for its next start does not start', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  ;(await fakes.started(1)).heard.ended(KILLED)
  await fakes.clock.asleepFor(1_000)
  worker.stop()
  await kept
  expect(fakes.processes).toHaveLength(1)
  expect(fakes.restarted).toEqual([])
})

test('what was told to stop before it was kept starts nothing', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  worker.stop()
  await worker.keep(nobody)
  expect(fakes.processes).toEqual([])
})

test('what cannot go on says why, and is not started again', async () => {
  const fakes = new Fakes()
  const fault = new TidemarkError('TOPIC_MISSING', 'there is no topic "payments"')
  const kept = fakes.keptWorker(1).keep(nobody)
  ;(await fakes.started(1)).heard.ended({ exitCode: 1, signal: null, faults: [fault] })
  await expect(kept).rejects.toBe(fault)
  expect(fakes.processes).toHaveLength(1)
})

test('one that does not stop within 30 s is killed, and that is told', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  process.begin()
  worker.stop()
  fakes.clock.advance(29_999)
  expect(process.told).toEqual(['run', 'stop'])
  fakes.clock.advance(1)
  await expect(kept).rejects.toMatchObject({
    code: 'WORKER_FAILED',
    message: 'worker 2 did not stop cleanly: it ended by SIGKILL',
  })
  expect(process.told).toEqual(['run', 'stop', 'kill'])
})

test('one that cannot commit what was in flight says so', async () => {
  const fakes = new Fakes()
  const fault = new TidemarkError('STOP_TIMED_OUT', 'not committed')
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  worker.stop()
  process.heard.ended({ exitCode: 1, signal: null, faults: [fault] })
  await expect(kept).rejects.toBe(fault)
})

test('the signal of a terminal, which a process gets before it listens, is no trouble', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  worker.stop()
  process.heard.ended({ exitCode: null, signal: 'SIGINT', faults: [] })
  await expect(kept).resolves.toBe(undefined)
})

test('it is starting, then as it says, silent when it hangs, and restarting when it has ended', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  expect(await worker.readiness()).toMatchObject({ worker: 2, ready: false, state: 'starting' })
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  process.answers = { readiness: RUNNING }
  expect(await worker.readiness()).toEqual({ worker: 2, ...RUNNING })
  process.answers = {}
  expect(await worker.readiness()).toMatchObject({ worker: 2, ready: false, state: 'silent' })
  expect(await worker.metrics()).toBe(null)
  process.heard.ended(KILLED)
  await fakes.clock.asleepFor(1_000)
  expect(await worker.readiness()).toMatchObject({
    ready: false,
    state: 'restarting',
    reason: 'its process ended by SIGKILL',
  })
  worker.stop()
  await kept
})
