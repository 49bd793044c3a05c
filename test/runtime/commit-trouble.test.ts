import { describe, expect, test } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { commitFailed, noBroker } from './hand-records.ts'
import { committed, joined } from './hand-worker.ts'
import { record } from './support.ts'

// Runtime events about commits that take long, or fail for long.

describe('a commit that takes longer than 5 s', () => {
  async function slow() {
    const { member, clock, watch, worker } = await joined()
    member.assign(1)
    member.give(1, [record(0)])
    const pending = await member.nextCommit()
    clock.advance(4_999)
    await member.commitsNothing()
    expect(watch.troubles('commit')).toEqual([])
    clock.advance(1)
    await watch.until(() => watch.states.at(-1) === 'unavailable')
    return { member, clock, watch, worker, pending }
  }

  /** One that has been on its way for 5 s, and of which all was lost meanwhile. */
  async function lostOnItsWay() {
    const { member, clock, watch } = await joined()
    member.assign(1)
    member.give(1, [record(0)])
    const pending = await member.nextCommit()
    member.lose()
    clock.advance(5_000)
    await member.commitsNothing()
    return { member, clock, watch, pending }
  }

  test('is told, and the worker is unavailable until it has succeeded', async () => {
    const { watch, pending, worker } = await slow()
    const reason = 'a commit has been on its way for 5 s'
    expect(watch.troubles('commit')).toMatchObject([{ reason }])
    expect(watch.of('state').at(-1)).toEqual({ type: 'state', state: 'unavailable', reason })
    pending.succeed()
    await watch.until(() => watch.states.at(-1) === 'running')
    await worker.stop()
  })

  test('says for how long the broker has throttled it', async () => {
    const { member, clock, watch } = await joined()
    member.assign(1)
    member.give(1, [record(0)])
    await member.nextCommit()
    member.handlers.throttled(1_500, 'writing')
    member.handlers.throttled(2_700, 'writing')
    clock.advance(5_000)
    await watch.until(() => watch.states.at(-1) === 'unavailable')
    expect(watch.of('throttled')).toHaveLength(2)
    expect(watch.of('state').at(-1)?.reason).toBe(
      'a commit has been on its way for 5 s, throttled by the broker 4.2 s',
    )
  })

  test.each([
    ['COMMIT_FAILED', 100],
    ['BROKER_UNAVAILABLE', 100],
    ['REBALANCING', 50],
  ] as const)(
    'and then fails with %s leaves it unavailable for that',
    async (code, nextAttemptMs) => {
      const { watch, pending, clock, member } = await slow()
      pending.fail(new TidemarkError(code, 'at last'))
      await clock.asleepFor(nextAttemptMs)
      expect(watch.of('commit-failed')).toEqual([
        { type: 'commit-failed', code, reason: 'at last', nextAttemptMs },
      ])
      expect(watch.of('state').at(-1)).toMatchObject({
        state: 'unavailable',
        reason: 'at last',
      })
      clock.advance(nextAttemptMs)
      await committed(member)
      await watch.until(() => watch.states.at(-1) === 'running')
    },
  )

  test('is not told when all of it was lost meanwhile, nor how it failed', async () => {
    const { clock, watch, pending } = await lostOnItsWay()
    pending.fail(noBroker())
    await clock.asleepFor(100)
    expect(watch.troubles('commit')).toEqual([])
    expect(watch.of('commit-failed')).toEqual([])
  })

  test('is told when it holds up what has come since, though all of it was lost', async () => {
    const { member, clock, watch, pending } = await lostOnItsWay()
    member.assign(2)
    member.give(2, [record(0)])
    await member.commitsNothing()
    clock.advance(5_000)
    await watch.until(() => watch.states.at(-1) === 'unavailable')
    expect(watch.troubles('commit')).toMatchObject([
      { reason: 'a commit has been on its way for 10 s' },
    ])
    pending.fail(noBroker())
    await clock.asleepFor(100)
    clock.advance(100)
    await committed(member)
    await watch.until(() => watch.states.at(-1) === 'running')
  })

  test('leaves it unavailable while only a part of what it holds is lost', async () => {
    const { member, watch, pending } = await slow()
    member.assign(1, 1)
    member.lose(1)
    expect(watch.states.at(-1)).toBe('unavailable')
    pending.succeed()
    await watch.until(() => watch.states.at(-1) === 'running')
  })

  test('is over when all that failed is lost, and so is the wait for what comes then', async () => {
    const { member, clock, watch } = await joined()
    member.assign(1)
    member.give(1, [record(0)])
    for (const ms of [100, 200]) {
      ;(await member.nextCommit()).fail(noBroker())
      await clock.asleepFor(ms)
      if (ms === 200) member.lose()
      clock.advance(ms)
    }
    await watch.until(() => watch.states.at(-1) === 'running')
    member.assign(2)
    member.give(2, [record(0)])
    ;(await member.nextCommit()).fail(noBroker())
    await member.commitsNothing()
    expect(clock.slept.filter((ms) => ms >= 100 && ms < 1_000)).toEqual([100, 200, 100])
  })

  test('is only the one that is on its way: waiting for the next attempt is not', async () => {
    const { member, clock, watch } = await joined()
    member.assign(1)
    member.give(1, [record(0)])
    ;(await member.nextCommit()).fail(commitFailed())
    await clock.asleepFor(100)
    clock.advance(20_000)
    await member.nextCommit()
    expect(watch.troubles('commit')).toHaveLength(1)
  })
})

describe('a commit that fails since the group rebalances', () => {
  /** Fails the waiting commit again and again for this long, ms. */
  async function rebalancing({ member, clock }: Awaited<ReturnType<typeof joined>>, ms: number) {
    for (let passedMs = 0; passedMs < ms; passedMs += 50) {
      ;(await member.nextCommit()).fail(new TidemarkError('REBALANCING', 'wait'))
      await member.commitsNothing()
      clock.advance(50)
    }
  }

  async function begun() {
    const around = await joined()
    around.member.assign(1)
    around.member.give(1, [record(0)])
    return around
  }

  test('is not told when that is soon over', async () => {
    const around = await begun()
    const { member, clock, watch } = around
    await rebalancing(around, 3_000)
    await committed(member)
    await clock.asleepFor(10)
    clock.advance(10)
    member.give(1, [record(1)])
    await rebalancing(around, 3_000)
    await committed(member)
    expect(watch.of('commit-failed')).toEqual([])
  })

  test('is told every 5 s, and leaves the worker unavailable until one succeeds', async () => {
    const around = await begun()
    const { member, watch } = around
    await rebalancing(around, 5_000)
    expect(watch.of('commit-failed')).toEqual([])
    await rebalancing(around, 5_000)
    expect(watch.of('commit-failed')).toEqual([
      {
        type: 'commit-failed',
        code: 'REBALANCING',
        reason: 'wait',
        nextAttemptMs: 50,
      },
    ])
    expect(watch.of('state').at(-1)?.reason).toBe('wait')
    await rebalancing(around, 50)
    expect(watch.of('commit-failed')).toHaveLength(2)
    await committed(member)
    await watch.until(() => watch.states.at(-1) === 'running')
  })

  test('is not told of what has come since, when nothing of what waited is left', async () => {
    const around = await begun()
    const { member, clock, watch } = around
    await rebalancing(around, 3_000)
    const last = await member.nextCommit()
    member.lose()
    last.fail(new TidemarkError('REBALANCING', 'wait'))
    await member.commitsNothing()
    clock.advance(50)
    expect(await member.commitsNothing()).toBe(true)
    clock.advance(10_000)
    member.assign(2)
    member.give(2, [record(0)])
    await rebalancing(around, 3_000)
    expect(watch.of('commit-failed')).toEqual([])
  })
})
