import { describe, expect, test } from 'vitest'
import { type Life, RestartPolicy } from '../../../src/cli/workers/restart-policy.ts'
import { type Code, Refused, TidemarkError } from '../../../src/kernel/errors.ts'
import { longestWaits } from '../../support/clocks.ts'
import { KILLED } from './fake-process.ts'

const policy = () => new RestartPolicy(2, longestWaits)

/** What ends it after so many starts, which all went like this. */
function endAfter(starts: number, { end, hasRun, lastedMs }: Life): unknown {
  const restarts = policy()
  for (let i = 1; i < starts; i++) restarts.waitMs({ end, hasRun, lastedMs })
  try {
    restarts.waitMs({ end, hasRun, lastedMs })
  } catch (thrown) {
    return thrown
  }
  throw new Error('it is started again')
}

/** A life that ends by SIGKILL. */
const life = (about: Partial<Life>): Life => ({
  end: KILLED,
  hasRun: false,
  lastedMs: 100,
  ...about,
})
const failing = (...faults: readonly Error[]): Life =>
  life({ end: { exitCode: 1, signal: null, faults } })

test('what dies after it has worked is started again, each time up to twice as late, at most half a minute', () => {
  const restarts = policy()
  const waits = Array.from({ length: 8 }, () => restarts.waitMs(life({ hasRun: true })))
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
})

test('waits differ from worker to worker', () => {
  expect(new RestartPolicy(1, () => 0.5).waitMs(life({ hasRun: true }))).toBe(501)
})

test('after a minute without trouble the first wait is short again', () => {
  const restarts = policy()
  restarts.waitMs(life({ hasRun: true }))
  expect(restarts.waitMs(life({ hasRun: true, lastedMs: 59_999 }))).toBe(2_000)
  expect(restarts.waitMs(life({ hasRun: true, lastedMs: 60_000 }))).toBe(1_000)
})

describe('at its start', () => {
  test('the fifth end in a row is the last, and says how it came', () => {
    expect(endAfter(5, life({}))).toMatchObject({
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
    ['has worked', { hasRun: true }],
    ['has lived for a minute, such as without a broker', { lastedMs: 60_000 }],
  ])('an end is none where it %s', (_, about) => {
    const restarts = policy()
    for (let i = 0; i < 4; i++) restarts.waitMs(life({}))
    restarts.waitMs(life(about))
    for (let i = 0; i < 4; i++) restarts.waitMs(life({}))
    expect(() => restarts.waitMs(life({}))).toThrow('failed to start 5 times in a row')
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
  expect(policy().waitMs(failing(fault))).toBe(1_000)
})
