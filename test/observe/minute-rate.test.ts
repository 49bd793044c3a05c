import { array, assert, integer, property, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { MinuteRate } from '../../src/observe/minute-rate.ts'
import { HandClock } from '../support/clocks.ts'

test('the rate is that of the counts of the last 60 seconds, or of those since it began', () => {
  const steps = array(tuple(integer({ min: 0, max: 90_000 }), integer({ min: 0, max: 9 })))
  assert(
    property(steps, (all) => {
      const clock = new HandClock(0)
      const rate = new MinuteRate(clock)
      const counts: { second: number; count: number }[] = []
      const second = () => Math.floor(clock.elapsedMs() / 1_000)
      const first = second()
      for (const [ms, count] of all) {
        clock.advance(ms)
        rate.add(count)
        counts.push({ second: second(), count })
        const recent = counts.filter((each) => each.second > second() - 60)
        const sum = recent.reduce((total, each) => total + each.count, 0)
        expect(rate.perSecond).toBeCloseTo(sum / Math.min(60, second() - first + 1))
      }
    }),
  )
})
