import { expect } from 'vitest'
import { kafkaTest } from '../services/kafka.ts'
import { Backfill } from './backfill.ts'
import { payments } from './card-fraud.ts'

// A bounded range of a topic on a real Kafka, by two workers of a group.

const LINES = 20_000
const W1 = {
  topology: 'test/golden/topologies/w1.ts',
  source: 'payments',
  sinks: ['predictions', 'payments.dlq'],
} as const
/** The dead one is not known to the other, which waits until its session has passed. */
const MORTAL = ['--worker-name', 'none', '--session-timeout', '3']
/** Several commits for what is in the range. */
const SLOW = ['--commit-interval', '200', '--max-commit-mb', '1']

kafkaTest(
  'a range of a topic by two workers, one of which is killed, is what a live run makes of it, and ends them',
  async (kafka) => {
    const range: [number, number] = [4_000, 16_000]
    const backfill = await Backfill.of(kafka, W1, [...payments(LINES, 1)], range)
    try {
      const made = await backfill.made('backfill')
      const workers = [1, 2].map(() => backfill.start(made, ...MORTAL, ...SLOW))
      const [killed, other] = workers as [(typeof workers)[0], (typeof workers)[0]]
      await killed.says('"msg":"assigned ')
      while ((await backfill.answered(made)) === 0);
      killed.process.kill('SIGKILL')
      expect((await killed.ended).signal).toBe('SIGKILL')
      expect(await backfill.answered(made)).toBeLessThan(backfill.size)
      const { code, stderr } = await other.ended
      expect(stderr).toContain(' in = ')
      expect(code).toBe(0)
      expect(await backfill.cells(made)).toEqual(await backfill.live())
      const late = await backfill.start(made).ended
      expect(late.stderr).toContain(`has committed all of the range`)
      expect(late.code).toBe(0)
    } finally {
      await backfill.close()
    }
  },
  60_000,
)
