import { expect, it } from 'vitest'
import { LANES, scheduleOf } from './schedule.ts'
import { steadySchedule } from './steady.ts'

const OF = { nodes: 3, workers: ['w1', 'w2', 'w3'] }
const VERBS = Object.values(LANES).flat()

it('the same seed gives the same schedule, another one another', () => {
  const seconds = 600
  expect(scheduleOf({ ...OF, seed: 7, seconds })).toEqual(scheduleOf({ ...OF, seed: 7, seconds }))
  expect(scheduleOf({ ...OF, seed: 7, seconds })).not.toEqual(
    scheduleOf({ ...OF, seed: 8, seconds }),
  )
})

it('in ten minutes every verb comes twice, whatever the seed', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const schedule = scheduleOf({ ...OF, seed, seconds: 600 })
    const times = VERBS.map((verb) => schedule.filter((entry) => entry.verb === verb).length)
    expect(Math.min(...times), `seed ${seed}`).toBeGreaterThanOrEqual(2)
  }
})

it('things of one lane do not meet, and none is planned to last beyond the end', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const schedule = scheduleOf({ ...OF, seed, seconds: 60 })
    for (const lane of Object.keys(LANES)) {
      const entries = schedule.filter((entry) => entry.lane === lane)
      const ends = entries.map(({ atS, lastsS }) => atS + lastsS)
      expect(entries.every(({ atS }, i) => i === 0 || atS > (ends[i - 1] as number))).toBe(true)
      expect(Math.max(...ends)).toBeLessThan(60)
    }
  }
})

it('what cannot be done here is left out', () => {
  const schedule = scheduleOf({ ...OF, seed: 1, seconds: 600, without: ['fill disk'] })
  expect(schedule.map(({ verb }) => verb)).not.toContain('fill disk')
})

it('the soak kills a worker every 20 s and a node every 2 min, by turns, and a quota is there a third of the time', () => {
  const schedule = steadySchedule({
    ...{ seconds: 1_200, nodes: 3, workers: ['w2', 'w3'] },
    ...{ killEveryS: 20, nodeEveryS: 120, quotaEveryS: 60 },
  })
  const of = (verb: string) => schedule.filter((entry) => entry.verb === verb)
  expect(of('kill worker')).toHaveLength(59)
  expect(of('kill node').map(({ target }) => target)).toEqual(
    [1, 2, 3, 1, 2, 3, 1, 2, 3].map((n) => `node ${n}`),
  )
  expect(of('throttle')).toHaveLength(19)
  expect(of('throttle').every(({ lastsS }) => lastsS === 20)).toBe(true)
  expect(schedule.some(({ target }) => target === 'w1')).toBe(false)
})
