import { beforeEach, describe, expect, test, vi } from 'vitest'
import { CommitGate, type GroupMetadata } from '../../src/connect/kafka/group/committing.ts'
import type { Generation } from '../../src/connect/kafka/wire/groups.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'

// Rule C2, without a broker: when a commit may go on, and under which generation.

const generation = (generationId: number): Generation => ({ generationId, memberId: 'me' })

/** A commit that asks for its generation when it is told to go on. */
function pending() {
  let goOn = () => {}
  const told = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const seen: Generation[] = []
  const commit = async ({ generation: current }: GroupMetadata) => {
    await told
    seen.push(current())
  }
  return { commit, goOn, seen }
}

const quick = async () => {}

let clock: HandClock

beforeEach(() => {
  clock = new HandClock(0)
})

test('a member is counted on for its session timeout after a request that the group has answered', async () => {
  const gate = new CommitGate('g', 10_000, clock)
  expect(gate.isCountedOn()).toBe(false)
  gate.confirm(clock.elapsedMs())
  await clock.pass(10_000)
  expect(gate.isCountedOn()).toBe(true)
  await clock.pass(1)
  expect(gate.isCountedOn()).toBe(false)
})

describe('commits and rebalances', () => {
  test('no commit begins before an assignment is in force', async () => {
    const gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
    expect((await thrownBy(gate.run(quick))).code).toBe('REBALANCING')
    gate.open(generation(1))
    await gate.run(quick)
  })

  test('from before JoinGroup until the next assignment is in force no commit begins', async () => {
    const gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
    gate.open(generation(1))
    await gate.drain(quick)
    expect((await thrownBy(gate.run(quick))).code).toBe('REBALANCING')
    gate.open(generation(2))
    await gate.run(async ({ generation: current }) => expect(current()).toEqual(generation(2)))
  })

  test('JoinGroup waits for the commit in flight, which keeps its generation; no other one begins', async () => {
    const gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
    gate.open(generation(1))
    const { commit, goOn, seen } = pending()
    const committing = gate.run(commit)
    let mayJoin = false
    const closing = gate.drain(quick).then(() => (mayJoin = true))
    await clock.pass(4_900)
    expect(mayJoin).toBe(false)
    expect((await thrownBy(gate.run(quick))).code).toBe('REBALANCING')
    goOn()
    await Promise.all([committing, closing])
    expect(seen).toEqual([generation(1)])
  })

  test('JoinGroup waits 5 s at most; that commit is told that its generation has passed', async () => {
    const gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
    gate.open(generation(1))
    const { commit, goOn } = pending()
    const failure = thrownBy(gate.run(commit))
    const closing = gate.drain(quick)
    await clock.pass(5_000)
    await closing
    gate.open(generation(2))
    goOn()
    expect((await failure).code).toBe('REBALANCING')
  })

  test('what is last done under a generation is done after the commit in flight and before JoinGroup', async () => {
    const gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
    gate.open(generation(1))
    const { commit, goOn, seen } = pending()
    const committing = gate.run(commit)
    const closing = gate.drain(async (last) => {
      expect(seen).toEqual([generation(1)])
      seen.push(last)
    })
    goOn()
    await Promise.all([committing, closing])
    expect(seen).toEqual([generation(1), generation(1)])
  })

  test('where no generation is in force nothing is left to do under it', async () => {
    const gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
    await gate.drain(() => Promise.reject(new Error('never asked')))
    gate.open(generation(1))
    await gate.drain(quick)
    const done: Generation[] = []
    await gate.drain(async (last) => void done.push(last))
    expect(done).toEqual([])
  })

  test('a commit that failed does not keep JoinGroup waiting', async () => {
    const gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
    gate.open(generation(1))
    const failing = gate.run(() => Promise.reject(new Error('no')))
    await gate.drain(quick)
    await expect(failing).rejects.toThrow('no')
  })
})

describe('a member of which the group has not heard for longer than a session', () => {
  const SESSION_MS = 6_000

  /** A member whose group answered, and then fell silent for this long, ms. */
  async function silentFor(ms: number) {
    const gate = new CommitGate('g', SESSION_MS, clock)
    gate.open(generation(1))
    gate.confirm(clock.elapsedMs())
    await clock.pass(ms)
    return gate
  }

  test('commits at once until then', async () => {
    const gate = await silentFor(SESSION_MS)
    const began = vi.fn<() => Promise<void>>(quick)
    void gate.run(began)
    expect(began).toHaveBeenCalled()
  })

  test('begins no commit before the group has answered what was asked since', async () => {
    const gate = await silentFor(SESSION_MS + 1)
    const began = vi.fn<() => Promise<void>>(quick)
    const committing = gate.run(began)
    // An answer that was on its way all the time says nothing of what has become of the member.
    gate.confirm(clock.elapsedMs() - SESSION_MS - 1)
    await clock.pass(10_000)
    expect(began).not.toHaveBeenCalled()
    gate.confirm(clock.elapsedMs())
    await committing
    expect(began).toHaveBeenCalledOnce()
  })

  test('goes on with nothing that it has begun', async () => {
    const gate = await silentFor(0)
    const went: string[] = []
    let goOn = () => {}
    const stoodStill = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const committing = gate.run(async ({ confirmed }) => {
      await confirmed()
      went.push('first')
      await stoodStill
      await confirmed()
      went.push('second')
    })
    await clock.pass(SESSION_MS + 1)
    goOn()
    await clock.pass(0)
    expect(went).toEqual(['first'])
    gate.confirm(clock.elapsedMs())
    await committing
    expect(went).toEqual(['first', 'second'])
  })

  test('commits nothing when the group rebalances instead', async () => {
    const gate = await silentFor(SESSION_MS + 1)
    const began = vi.fn<() => Promise<void>>(quick)
    const failure = thrownBy(gate.run(began))
    await gate.drain(quick)
    expect((await failure).code).toBe('REBALANCING')
    expect(began).not.toHaveBeenCalled()
  })
})
