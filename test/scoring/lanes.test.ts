import { expect, test, vi } from 'vitest'
import { chooseLanes } from '../../src/scoring/lanes.ts'
import { InlineRunner } from '../../src/scoring/measured-runner.ts'
import { ModelCache } from '../../src/scoring/model-cache.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import { LARGEST_BATCH } from '../../src/scoring/warm-up.ts'

test('a model that nothing waits for runs on another thread only, and a run may take any time', async () => {
  let release: (() => void) | null = () => {}
  const runner: Runner = {
    run: async (_, count) => {
      if (release === null) await new Promise<void>((resolve) => (release = resolve))
      return [new Float64Array(count)]
    },
    close: async () => {},
  }
  const { lanes, threads } = await chooseLanes(
    { runner: new InlineRunner(runner), isInline: false },
    {
      ...{ label: 'm@1', where: 'step', latencyBudgetMs: 1, features: 1 },
      ...{ isAlone: false, isGuarded: false, isBackground: true },
      sample: new Float32Array(LARGEST_BATCH),
      cache: new ModelCache(null),
      dependsOn: {},
      openInline: () => expect.unreachable(),
      openInThread: () => expect.unreachable(),
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
