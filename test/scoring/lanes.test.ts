import { expect, test, vi } from 'vitest'
import { chooseLanes, FollowingLane } from '../../src/scoring/lanes.ts'
import { ModelCache } from '../../src/scoring/model-cache.ts'
import type { OpenedModel, Runner } from '../../src/scoring/runner.ts'
import { LARGEST_BATCH, measureCost } from '../../src/scoring/warm-up.ts'

test('a model that nothing waits for runs on another thread only, and a run may take any time', async () => {
  let release: (() => void) | null = () => {}
  const runner: OpenedModel = {
    signature: { inputs: [], outputs: [] },
    measure: (sample) => measureCost(runner, sample),
    run: async (_, count) => {
      if (release === null) await new Promise<void>((resolve) => (release = resolve))
      return [new Float64Array(count)]
    },
    close: async () => {},
  }
  const { lanes, threads } = await chooseLanes(
    { runner, isInline: false, isAlone: false, openOther: () => expect.unreachable() },
    {
      ...{ label: 'm@1', where: 'step', latencyBudgetMs: 1 },
      ...{ isGuarded: false, isBackground: true },
      sample: new Float32Array(LARGEST_BATCH),
      cache: new ModelCache(null),
      dependsOn: {},
    },
  )
  expect([lanes.length, threads]).toEqual([1, 1])
  vi.useFakeTimers()
  release = null
  const scored = lanes[0]?.runner.run(new Float32Array(1), 1)
  await vi.advanceTimersByTimeAsync(3_600_000)
  ;(release as unknown as () => void)()
  vi.useRealTimers()
  expect(await scored).toHaveLength(1)
})

const runner: Runner = { run: async () => [], close: async () => {} }
/** 1 ms, plus 0.1 ms a row: 190 rows in 20 ms. */
const AT_LOAD = { baseMs: 1, rowMs: 0.1 }
const lane = () => new FollowingLane({ runner, cost: AT_LOAD, withinMs: 20, rows: 190 })

/** The largest batch after a thousand runs of these sizes at this cost. */
function after(of: FollowingLane, { baseMs, rowMs }: typeof AT_LOAD, sizes = [1, 40, 90, 190]) {
  for (let i = 0; i < 1_000; i++) {
    const rows = sizes[i % sizes.length] as number
    of.ran(rows, baseMs + rowMs * rows)
  }
  return of.rows
}

test('runs that take as long as at load change nothing', () => {
  expect(Math.abs(after(lane(), AT_LOAD) - 190)).toBeLessThanOrEqual(1)
})

test('slower rows make the largest batch smaller, faster ones larger', () => {
  const slower = after(lane(), { baseMs: 1, rowMs: 0.2 })
  expect(slower).toBeGreaterThan(90)
  expect(slower).toBeLessThan(110)
  const faster = after(lane(), { baseMs: 1, rowMs: 0.05 })
  expect(faster).toBeGreaterThan(340)
  expect(faster).toBeLessThanOrEqual(400)
  expect(after(lane(), { baseMs: 0.01, rowMs: 1e-4 })).toBe(LARGEST_BATCH)
})

test('it recovers when the runs do', () => {
  const one = lane()
  expect(after(one, { baseMs: 1, rowMs: 0.4 })).toBeLessThan(60)
  expect(Math.abs(after(one, AT_LOAD) - 190)).toBeLessThan(10)
})

test('runs of a single size scale the cost of the other sizes', () => {
  const slower = after(lane(), { baseMs: 2, rowMs: 0.2 }, [40])
  expect(slower).toBeGreaterThan(70)
  expect(slower).toBeLessThan(110)
})

test('if the fixed cost of a run is high, batches do not become tiny', () => {
  const one = lane()
  expect(after(one, { baseMs: 30, rowMs: 0.5 })).toBeGreaterThanOrEqual(50)
  const few = new FollowingLane({ runner, cost: AT_LOAD, withinMs: 1.5, rows: 5 })
  expect(after(few, { baseMs: 30, rowMs: 0.5 })).toBe(5)
})
