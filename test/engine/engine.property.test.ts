import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Watermark } from '../../src/engine/watermark.ts'
import { runs } from '../support/runs.ts'
import { arrivals, featureRuns } from './arbitraries.ts'
import { engineRows } from './engine-rows.ts'
import { naiveFeatures } from './oracle/naive-features.ts'

const RUNS = runs(150)
const chunks = fc.integer({ min: 1, max: 50 })

describe('the engine against the naive oracle', () => {
  test('every row has the same float32 bits, and the same events are late', () => {
    fc.assert(
      fc.property(featureRuns(200), chunks, (run, chunk) => {
        expect(engineRows(run, chunk)).toEqual(naiveFeatures(run.step, run.options, run.events))
      }),
      { numRuns: RUNS },
    )
  })

  test('also where windows hold hundreds of events, over many blocks', () => {
    fc.assert(
      fc.property(featureRuns(1_000), ({ step, options, events }) => {
        const oneKey = events.map((e) => ({ ...e, key: 'k1' }))
        const run = { step, options, events: oneKey }
        expect(engineRows(run, 500)).toEqual(naiveFeatures(step, options, oneKey))
      }),
      { numRuns: runs(15) },
    )
  })

  test('events within the lateness may come in any order: the last one sees the same windows', () => {
    const shuffled = featureRuns(80).chain((run) =>
      fc.shuffledSubarray(run.events.slice(), { minLength: run.events.length }).map((events) => ({
        run,
        events,
      })),
    )
    fc.assert(
      fc.property(shuffled, ({ run, events }) => {
        const newestMs = Math.max(...events.map((e) => e.timeMs)) + 1
        const last = events.map((e) => ({ ...e, timeMs: newestMs })).slice(-1)
        const options = { ...run.options, lagMs: 10 * 365 * 86_400_000 }
        const end = (order: typeof events) =>
          engineRows({ ...run, options, events: [...order, ...last] }, 7).at(-1)
        // Events of equal time keep the order of the log: only the order of different times may not
        // matter.
        const sorted = events.toSorted((a, b) => a.timeMs - b.timeMs)
        expect(end(events)).toEqual(end(sorted))
      }),
      { numRuns: RUNS },
    )
  })
})

test('the watermark never goes back', () => {
  fc.assert(
    fc.property(arrivals(1_000, 100), fc.array(fc.nat(600_000)), (events, behind) => {
      const source = { watermark: { lagMs: 1_000, idleAfterMs: null, maxAheadMs: 300_000 } }
      const watermark = new Watermark(source)
      let before = watermark.nowMs
      for (const [i, { timeMs }] of events.entries()) {
        watermark.admit(timeMs, timeMs - (behind[i] ?? 0))
        expect(watermark.nowMs).toBeGreaterThanOrEqual(before)
        before = watermark.nowMs
      }
    }),
    { numRuns: RUNS },
  )
})
