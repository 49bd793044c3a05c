import { describe, expect, test, vi } from 'vitest'
import { restartPolicy } from '../../../src/host/workers/kept-worker.ts'
import type { End } from '../../../src/host/workers/worker-process.ts'
import { type Code, Refused, TidemarkError } from '../../../src/kernel/errors.ts'
import type { MetricData } from '../../../src/observe/metric-registry.ts'
import { STARTING } from '../../../src/observe/status.ts'
import { longestWaits } from '../../support/clocks.ts'
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
  process.end(IN_ORDER)
  await kept
})

test('one that is killed is started again after its wait, which is logged and counted', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  const kept = worker.keep(nobody)
  const first = await fakes.started(1)
  first.begin()
  first.end(KILLED)
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
  expect(worker.restarts).toBe(1)
  worker.stop()
  second.end(IN_ORDER)
  await kept
})

test('one that ends in order though nobody told it to is started again', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const first = await fakes.started(1)
  first.begin()
  first.end(IN_ORDER)
  await fakes.clock.asleepFor(1_000)
  worker.stop()
  await kept
  expect(fakes.processes).toHaveLength(1)
})

test('what is told to stop while it waits for its next start does not start', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  ;(await fakes.started(1)).end(KILLED)
  await fakes.clock.asleepFor(1_000)
  worker.stop()
  await kept
  expect(fakes.processes).toHaveLength(1)
  expect(worker.restarts).toBe(0)
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
  ;(await fakes.started(1)).end({ ...KILLED, faults: [fault] })
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
  process.end({ ...KILLED, faults: [fault] })
  await expect(kept).rejects.toBe(fault)
})

test('the signal of a terminal, which a process gets before it listens, is no trouble', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  worker.stop()
  process.end({ ...KILLED, signal: 'SIGINT' })
  await expect(kept).resolves.toBe(undefined)
})

test('one that has stopped cleanly may end by SIGKILL, since the run of a model hangs', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  worker.stop()
  process.end({ ...KILLED, hasFinished: true })
  await expect(kept).resolves.toBe(undefined)
})

test('one that reports no clean stop has not stopped cleanly, whatever its exit code', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  worker.stop()
  process.end({ ...IN_ORDER, hasFinished: false })
  await expect(kept).rejects.toThrow('did not stop cleanly: it ended with exit code 0')
})

test('a lost model is the reason for a restart, not the signal', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  const kept = worker.keep(nobody)
  const lost = new TidemarkError('MODEL_LOST', 'it hangs')
  ;(await fakes.started(1)).end({ ...KILLED, faults: [lost] })
  await fakes.clock.asleepFor(1_000)
  expect(fakes.lines.at(-1)?.fields).toMatchObject({
    reason: 'its process ended with MODEL_LOST: it hangs',
  })
  worker.stop()
  await kept
})

const trouble = (kind: string) => ({ count: 1, worst: [{ kind, section: `runbook.md#${kind}` }] })

test('it is starting, then as it says, silent when it hangs, and restarting when it has ended', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(2)
  expect(await worker.readiness()).toMatchObject({ worker: 2, ready: false, state: 'starting' })
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  const status = { ...STARTING, state: 'running' } as const
  process.answer = { readiness: RUNNING, metrics: [], status }
  expect(await worker.readiness()).toEqual({ worker: 2, ...RUNNING })
  expect(await worker.status()).toEqual({ worker: 2, ...status })
  expect(worker.trouble).toBe(null)
  process.answer = null
  await fakes.clock.pass(3_000)
  expect(worker.trouble).toBe('silent')
  expect(await worker.readiness()).toMatchObject({ worker: 2, ready: false, state: 'silent' })
  expect(await worker.status()).toMatchObject({ worker: 2, troubles: trouble('silent') })
  process.end(KILLED)
  await fakes.clock.asleepFor(1_000)
  expect(worker.trouble).toBe('restarting')
  expect(await worker.readiness()).toMatchObject({
    ready: false,
    state: 'restarting',
    reason: 'its process ended by SIGKILL',
  })
  expect(await worker.status()).toMatchObject({ worker: 2, troubles: trouble('restarting') })
  worker.stop()
  await kept
})

test('while it does not answer, what it said last is told at once, and its metrics for a minute', async () => {
  const fakes = new Fakes()
  const worker = fakes.keptWorker(1)
  const kept = worker.keep(nobody)
  const process = await fakes.started(1)
  const metrics = [{ name: 'm' }] as unknown as MetricData
  process.answer = { readiness: RUNNING, metrics, status: STARTING }
  expect(await worker.metrics()).toBe(metrics)
  let giveUp = () => {}
  vi.spyOn(process, 'ask').mockImplementation(() => {
    return new Promise((resolve) => {
      giveUp = () => resolve(null)
    })
  })
  const soon = async (answers: Promise<unknown>[]) => {
    await fakes.clock.pass(80)
    return Promise.all(answers)
  }
  expect(await soon([worker.readiness(), worker.metrics()])).toEqual([
    { worker: 1, ...RUNNING },
    metrics,
  ])
  giveUp()
  await fakes.clock.pass(59_839)
  expect(worker.trouble).toBe('silent')
  expect(await soon([worker.metrics()])).toEqual([metrics])
  expect(await soon([worker.metrics()])).toEqual([[]])
  worker.stop()
  process.end(IN_ORDER)
  await kept
})

const policy = () => restartPolicy(2, longestWaits)

/** The error that ends it after so many starts, all of them like this. */
function endAfter(starts: number, end: End): unknown {
  const restarts = policy()
  for (let i = 1; i < starts; i++) restarts(end, SHORT_MS)
  try {
    restarts(end, SHORT_MS)
  } catch (thrown) {
    return thrown
  }
  throw new Error('it is started again')
}

const SHORT_MS = 100
const WORKED: End = { ...KILLED, hasRun: true }
const failing = (...faults: readonly Error[]): End => ({
  ...KILLED,
  exitCode: 1,
  signal: null,
  faults,
})

test('what dies after it has worked is started again, each time up to twice as late, at most half a minute', () => {
  const restarts = policy()
  const waits = Array.from({ length: 8 }, () => restarts(WORKED, SHORT_MS))
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
})

test('waits differ from worker to worker', () => {
  expect(restartPolicy(1, () => 0.5)(WORKED, SHORT_MS)).toBe(501)
})

test('after a minute without trouble the first wait is short again', () => {
  const restarts = policy()
  restarts(WORKED, SHORT_MS)
  expect(restarts(WORKED, 59_999)).toBe(2_000)
  expect(restarts(WORKED, 60_000)).toBe(1_000)
})

describe('at its start', () => {
  test('the fifth end in a row is the last, and says how it came', () => {
    expect(endAfter(5, KILLED)).toMatchObject({
      code: 'WORKER_FAILED',
      message: 'worker 2 failed to start 5 times in a row; the last time it ended by SIGKILL',
      hint: 'see the log above, or run with --workers 1 for the cause',
    })
  })

  test('the last end is told in its own words, with its own hint', () => {
    const fault = new TidemarkError('GROUP_FAILED', 'it takes no Tidemark worker', { hint: 'look' })
    expect(endAfter(5, failing(fault))).toMatchObject({
      code: 'WORKER_FAILED',
      message: expect.stringContaining(
        'the last time it ended with GROUP_FAILED: it takes no Tidemark worker',
      ),
      hint: 'look',
    })
  })

  test.each([
    ['has worked', WORKED, SHORT_MS],
    ['has lived for a minute, such as without a broker', KILLED, 60_000],
  ])('an end is none where it %s', (_, end, lastedMs) => {
    const restarts = policy()
    for (let i = 0; i < 4; i++) restarts(KILLED, SHORT_MS)
    restarts(end, lastedMs)
    for (let i = 0; i < 4; i++) restarts(KILLED, SHORT_MS)
    expect(() => restarts(KILLED, SHORT_MS)).toThrow('failed to start 5 times in a row')
  })
})

test.each<Code>([
  'CONFIG_INVALID',
  'MODEL_SHA256',
  'TOPIC_MISSING',
  'AUTHORIZATION',
  'WORKER_NAME_TAKEN',
])('%s is not tried again', (code) => {
  const fault = new TidemarkError(code, 'no')
  expect(endAfter(1, failing(fault))).toBe(fault)
})

test('all that was refused at once is told at once', () => {
  const faults = ['a', 'b'].map((message) => new TidemarkError('TOPOLOGY_INVALID', message))
  const thrown = endAfter(1, failing(...faults))
  expect(thrown).toBeInstanceOf(Refused)
  expect((thrown as Refused).faults).toEqual(faults)
})

test.each([
  new TidemarkError('INVARIANT', 'a bug'),
  new TidemarkError('GROUP_FAILED', 'cannot join'),
  new Error('a bug'),
])('%s may pass', (fault) => {
  expect(policy()(failing(fault), SHORT_MS)).toBe(1_000)
})
