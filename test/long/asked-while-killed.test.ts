import { expect } from 'vitest'
import { askWhileKilled } from '../chaos/asked-course.ts'
import { kafkaTest } from '../services/kafka.ts'

// A minute of it, beside other tests; ten, and more of everything: test/chaos/asked.ts.

const COURSE = { seconds: 60, perSecond: 1_000, asksPerSecond: 100, killEverySeconds: 20 }
const TEST_MS = 300_000

kafkaTest(
  'workers that are asked while one after the other is killed: every answer is right as of its offset, and answers are back with the stream',
  async ({ brokers }) => {
    const { faults, answers, kills } = await askWhileKilled({ ...COURSE, brokers })
    expect(faults.slice(0, 20)).toEqual([])
    expect(answers['200']).toBeGreaterThan(100)
    expect(answers['503']).toBeGreaterThan(0)
    expect(new Set(kills.map(({ name }) => name)).size).toBe(2)
  },
  TEST_MS,
)
