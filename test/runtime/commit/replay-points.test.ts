import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ReplayPoint } from '../../../src/runtime/commit/checkpoint-metadata.ts'
import { ReplayPoints } from '../../../src/runtime/commit/restart-plan.ts'
import { runs } from '../../support/runs.ts'

/** Beside the points of a replay, the one that it begins at and the one before the newest event. */
const MOST_POINTS = 64 + 2

const FIRST: ReplayPoint = {
  offset: 0,
  newestMs: Number.NEGATIVE_INFINITY,
  idleMs: Number.NEGATIVE_INFINITY,
}

interface History {
  readonly horizonMs: number
  readonly lagMs: number
  /** How much newer the newest event of each chunk is than the one before it. */
  readonly stepsMs: readonly number[]
}

const histories: fc.Arbitrary<History> = fc.record({
  horizonMs: fc.nat({ max: 500 }),
  lagMs: fc.nat({ max: 20_000 }),
  stepsMs: fc.array(fc.nat({ max: 100 }), { maxLength: 400 }),
})

/** Chunks of one record each, up to the last of which everything was committed. */
function passed({ horizonMs, lagMs, stepsMs }: History) {
  const points = new ReplayPoints({ horizonMs, lagMs }, FIRST)
  const all = [FIRST]
  let newestMs = Number.NEGATIVE_INFINITY
  for (const [offset, stepMs] of stepsMs.entries()) {
    const parts = { newestMs, idleMs: Number.NEGATIVE_INFINITY }
    points.add(offset, parts)
    all.push({ offset, ...parts })
    newestMs = Number.isFinite(newestMs) ? newestMs + stepMs : 0
    points.at(newestMs - lagMs)
  }
  return { points, all, newestMs }
}

test('a replay begins before all that a window may hold, and by at most a 64th of its length too early', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { horizonMs, lagMs } = history
      const { points, all, newestMs } = passed(history)
      const watermarkMs = newestMs - lagMs
      const right = all.findLast((p) => p.newestMs + horizonMs <= watermarkMs) ?? FIRST
      const { offset, newestMs: fromMs } = points.at(watermarkMs)
      expect(offset).toBeLessThanOrEqual(right.offset)
      const early = Number.isFinite(fromMs) && offset < right.offset ? right.newestMs - fromMs : 0
      expect(early).toBeLessThanOrEqual((horizonMs + lagMs) / 64)
    }),
  )
})

test('however far the watermark is behind, few points are kept', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { points, newestMs } = passed(history)
      const kept = new Set<number>()
      // Every point kept is the answer at one of these watermarks.
      const { horizonMs, lagMs } = history
      for (let ms = -lagMs; ms <= horizonMs; ms++) kept.add(points.at(newestMs + ms).offset)
      expect(kept.size).toBeLessThanOrEqual(MOST_POINTS)
    }),
    { numRuns: runs(30) },
  )
})
