import { expect } from 'vitest'
import { API, FaultyWire } from '../services/faulty-wire.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { Backfill } from './backfill.ts'
import { payments } from './card-fraud.ts'

// A bounded range of a topic on a real Kafka, by two workers of a group.

const LINES = 20_000
const RANGE = [4_000, 16_000] as const
const W1 = {
  topology: 'test/golden/topologies/w1.ts',
  source: 'payments',
  sinks: ['predictions', 'payments.dlq'],
} as const
/** The dead one is not known to the other, which waits until its session has passed. */
const MORTAL = ['--worker-name', 'none', '--session-timeout', '3']
/** Several commits for what is in the range, the second of which is held. */
const SLOW = ['--commit-interval', '200', '--max-commit-mb', '1']
const SECOND = { nth: 2 }

ownKafkaTest(
  'a range of a topic by two workers, one of which is killed, is what a live run makes of it, and ends them',
  async (kafka) => {
    const wire = await FaultyWire.before(kafka)
    const input = { lines: [...payments(LINES, 1)], range: RANGE }
    const backfill = await Backfill.of({ ...kafka.service, brokers: wire.brokers }, W1, input)
    try {
      const made = await backfill.made('backfill')
      const commit = wire.hold(API.endTxn, SECOND)
      const killed = backfill.start(made, ...MORTAL, ...SLOW)
      await killed.says('"msg":"assigned ')
      const other = backfill.start(made, ...MORTAL, ...SLOW)
      await commit.happened
      killed.process.kill('SIGKILL')
      expect((await killed.ended).signal).toBe('SIGKILL')
      commit.release()
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
)

ownKafkaTest(
  'a worker of a range that is interrupted ends with 130, and the same command continues',
  async (kafka) => {
    const wire = await FaultyWire.before(kafka)
    const input = { lines: [...payments(LINES, 1)], range: RANGE }
    const backfill = await Backfill.of({ ...kafka.service, brokers: wire.brokers }, W1, input)
    try {
      const made = await backfill.made('backfill')
      const commit = wire.hold(API.endTxn, SECOND)
      const first = backfill.start(made, ...SLOW)
      await commit.happened
      first.process.kill('SIGINT')
      await first.says('SIGINT')
      commit.release()
      const { code, stderr } = await first.ended
      expect(stderr).toContain('what is committed stays: the same command continues from there')
      expect(code).toBe(130)
      expect((await backfill.start(made).ended).code).toBe(0)
      expect((await backfill.cells(made)).size).toBe(backfill.size)
    } finally {
      await backfill.close()
    }
  },
)
