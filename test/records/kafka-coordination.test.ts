import type { Cluster } from 'kafkajs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Coordination, type Coordinator } from '../../src/records/kafka/coordination.ts'
import { thrownBy } from '../support/thrown.ts'

// PROTOCOL C2, without a broker: what is sent to the coordinator, and when.

const NEXT = { topic: 't', partition: 0, epoch: 1, nextOffset: 5, metadata: 'm' }

/** A coordinator that keeps what it is asked, and answers JoinGroup with the next generation when it is told to. */
class FakeCoordinator {
  readonly asked: string[] = []
  refusal: string | null = null
  topics: unknown = null
  connected = true
  found = 0
  #generationId = 0
  answer: () => void = () => {}

  isConnected(): boolean {
    return this.connected
  }

  async joinGroup() {
    this.asked.push('join')
    await new Promise<void>((resolve) => {
      this.answer = resolve
    })
    this.#generationId++
    return { generationId: this.#generationId, memberId: 'me' }
  }

  async offsetCommit(request: { groupGenerationId: number; memberId: string; topics: unknown }) {
    this.asked.push(`commit ${request.groupGenerationId} ${request.memberId}`)
    this.topics = request.topics
    if (this.refusal !== null) throw Object.assign(new Error('refused'), { type: this.refusal })
  }
}

function setUp() {
  const coordinator = new FakeCoordinator()
  const findGroupCoordinator = async () => {
    coordinator.found++
    return coordinator as unknown as Coordinator
  }
  const cluster = { findGroupCoordinator } as unknown as Cluster
  const coordination = new Coordination(cluster, 'g')
  /** What the library does: it finds the coordinator and sends JoinGroup. */
  const join = async () => {
    const found = (await cluster.findGroupCoordinator({ groupId: 'g' })) as Coordinator
    return found.joinGroup({})
  }
  const written: string[] = []
  const commit = (write: () => Promise<void> = async () => {}) =>
    coordination.commit(
      async () => {
        written.push('outputs')
        await write()
      },
      () => [NEXT],
    )
  const settle = async () => {
    const joining = join()
    await vi.advanceTimersByTimeAsync(0)
    coordinator.answer()
    await joining
    coordination.settle()
  }
  return { coordinator, coordination, join, commit, settle, written }
}

/** A write that ends when it is told to. */
function pending() {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return { write: () => ended, end }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('commits and rebalances', () => {
  test('offsets are committed under the generation and member id of the assignment', async () => {
    const { coordinator, commit, settle } = setUp()
    await settle()
    await commit()
    await settle()
    await commit()
    expect(coordinator.asked).toEqual(['join', 'commit 1 me', 'join', 'commit 2 me'])
    expect(coordinator.topics).toEqual([
      { topic: 't', partitions: [{ partition: 0, offset: '5', metadata: 'm' }] },
    ])
  })

  test('from JoinGroup until the assignment is in force a commit is refused before anything is written', async () => {
    const { coordinator, coordination, commit, join, settle, written } = setUp()
    expect((await thrownBy(commit())).code).toBe('REBALANCING')
    await settle()
    const joining = join()
    await vi.advanceTimersByTimeAsync(0)
    expect((await thrownBy(commit())).code).toBe('REBALANCING')
    coordinator.answer()
    await joining
    // SyncGroup is on the way, or what was lost is not gone yet.
    expect((await thrownBy(commit())).code).toBe('REBALANCING')
    coordination.settle()
    expect(written).toEqual([])
    await commit()
    expect(coordinator.asked).toEqual(['join', 'join', 'commit 2 me'])
  })

  test('JoinGroup waits for the commit in flight, so that its offsets still count', async () => {
    const { coordinator, commit, join, settle } = setUp()
    await settle()
    const { write, end } = pending()
    const committing = commit(write)
    void join()
    await vi.advanceTimersByTimeAsync(4_900)
    expect(coordinator.asked).toEqual(['join'])
    end()
    await committing
    await vi.advanceTimersByTimeAsync(0)
    expect(coordinator.asked).toEqual(['join', 'commit 1 me', 'join'])
  })

  test('while JoinGroup waits for a commit, no other one begins', async () => {
    const { commit, join, settle, written } = setUp()
    await settle()
    const { write, end } = pending()
    const another = commit(write).then(() => thrownBy(commit()))
    void join()
    await vi.advanceTimersByTimeAsync(0)
    end()
    expect((await another).code).toBe('REBALANCING')
    expect(written).toHaveLength(1)
  })

  test('JoinGroup waits 5 s at most; the offsets of that commit are then never sent', async () => {
    const { coordinator, commit, join, settle } = setUp()
    await settle()
    const { write, end } = pending()
    const refused = thrownBy(commit(write))
    void join()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(coordinator.asked).toEqual(['join', 'join'])
    end()
    expect((await refused).code).toBe('REBALANCING')
    expect(coordinator.asked).toEqual(['join', 'join'])
  })

  test('the offsets of an older generation are not sent under a newer one', async () => {
    const { coordinator, coordination, commit, join, settle } = setUp()
    await settle()
    const { write, end } = pending()
    const refused = thrownBy(commit(write))
    const joining = join()
    await vi.advanceTimersByTimeAsync(5_000)
    coordinator.answer()
    await joining
    coordination.settle()
    end()
    expect((await refused).code).toBe('REBALANCING')
    expect(coordinator.asked).toEqual(['join', 'join'])
  })

  test.each([
    ['REBALANCE_IN_PROGRESS', 'REBALANCING'],
    ['ILLEGAL_GENERATION', 'REBALANCING'],
    ['UNKNOWN_MEMBER_ID', 'FENCED'],
    ['NOT_COORDINATOR_FOR_GROUP', 'COMMIT_FAILED'],
  ])('a commit that the group refuses with %s is %s', async (refusal, code) => {
    const { coordinator, commit, settle } = setUp()
    await settle()
    coordinator.refusal = refusal
    expect((await thrownBy(commit())).code).toBe(code)
  })

  test('the coordinator is looked for again when it is gone or refuses, not for every commit', async () => {
    const { coordinator, commit, settle } = setUp()
    await settle()
    await commit()
    await commit()
    expect(coordinator.found).toBe(1)
    coordinator.connected = false
    await commit()
    expect(coordinator.found).toBe(2)
    coordinator.connected = true
    coordinator.refusal = 'NOT_COORDINATOR_FOR_GROUP'
    await thrownBy(commit())
    coordinator.refusal = null
    await commit()
    expect(coordinator.found).toBe(3)
  })
})
