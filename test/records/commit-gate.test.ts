import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CommitGate, type Generation } from '../../src/records/kafka/commit-gate.ts'
import { thrownBy } from '../support/thrown.ts'

// PROTOCOL C2, without a broker: when a commit may go on, and under which generation.

const generation = (generationId: number): Generation => ({ generationId, memberId: 'me' })

/** A commit that asks for its generation when it is told to go on. */
function pending() {
  let goOn = () => {}
  const told = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const seen: Generation[] = []
  const commit = async (current: () => Generation) => {
    await told
    seen.push(current())
  }
  return { commit, goOn, seen }
}

const quick = async () => {}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('commits and rebalances', () => {
  test('no commit begins before an assignment is in force', async () => {
    const gate = new CommitGate('g')
    expect((await thrownBy(gate.pass(quick))).code).toBe('REBALANCING')
    gate.open(generation(1))
    await gate.pass(quick)
  })

  test('from before JoinGroup until the next assignment is in force no commit begins', async () => {
    const gate = new CommitGate('g')
    gate.open(generation(1))
    await gate.close(quick)
    expect((await thrownBy(gate.pass(quick))).code).toBe('REBALANCING')
    gate.open(generation(2))
    await gate.pass(async (current) => expect(current()).toEqual(generation(2)))
  })

  test('JoinGroup waits for the commit in flight, which keeps its generation; no other one begins', async () => {
    const gate = new CommitGate('g')
    gate.open(generation(1))
    const { commit, goOn, seen } = pending()
    const committing = gate.pass(commit)
    let mayJoin = false
    const closing = gate.close(quick).then(() => (mayJoin = true))
    await vi.advanceTimersByTimeAsync(4_900)
    expect(mayJoin).toBe(false)
    expect((await thrownBy(gate.pass(quick))).code).toBe('REBALANCING')
    goOn()
    await Promise.all([committing, closing])
    expect(seen).toEqual([generation(1)])
  })

  test('JoinGroup waits 5 s at most; that commit is told that its generation has passed', async () => {
    const gate = new CommitGate('g')
    gate.open(generation(1))
    const { commit, goOn } = pending()
    const failure = thrownBy(gate.pass(commit))
    const closing = gate.close(quick)
    await vi.advanceTimersByTimeAsync(5_000)
    await closing
    gate.open(generation(2))
    goOn()
    expect((await failure).code).toBe('REBALANCING')
  })

  test('what is last done under a generation is done after the commit in flight and before JoinGroup', async () => {
    const gate = new CommitGate('g')
    gate.open(generation(1))
    const { commit, goOn, seen } = pending()
    const committing = gate.pass(commit)
    const closing = gate.close(async (last) => {
      expect(seen).toEqual([generation(1)])
      seen.push(last)
    })
    goOn()
    await Promise.all([committing, closing])
    expect(seen).toEqual([generation(1), generation(1)])
  })

  test('where no generation is in force nothing is left to do under it', async () => {
    const gate = new CommitGate('g')
    await gate.close(() => Promise.reject(new Error('never asked')))
    gate.open(generation(1))
    await gate.close(quick)
    const done: Generation[] = []
    await gate.close(async (last) => void done.push(last))
    expect(done).toEqual([])
  })

  test('a commit that failed does not keep JoinGroup waiting', async () => {
    const gate = new CommitGate('g')
    gate.open(generation(1))
    const failing = gate.pass(() => Promise.reject(new Error('no')))
    await gate.close(quick)
    await expect(failing).rejects.toThrow('no')
  })
})
