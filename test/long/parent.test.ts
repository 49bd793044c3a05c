import { expect } from 'vitest'
import { CardFraud, payments, unanswered } from '../integration/card-fraud.ts'
import { expectAllOnce, HALF, twoWorkers } from '../integration/two-workers.ts'
import { API, FaultyWire } from '../services/faulty-wire.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'

const EVENTS = 10_000

ownKafkaTest(
  'the parent is killed under load: its workers commit what is in flight and end, and the next ones go on',
  async (kafka) => {
    const wire = await FaultyWire.before(kafka)
    const reach = ['--brokers', wire.brokers.join()]
    const cards = await CardFraud.on(kafka.service, 'topologies/card-fraud.ts', reach)
    try {
      const first = await twoWorkers(cards, '--worker-name', 'pair')
      const commit = wire.hold(API.endTxn)
      await cards.send(payments(EVENTS, 1))
      await commit.happened
      first.process.kill('SIGKILL')
      commit.release()
      // Not before nobody has its stderr open any more.
      const { signal, stderr } = await first.ended
      expect(signal).toBe('SIGKILL')
      expect(stderr.match(/"state":"stopped"/g)).toHaveLength(2)
      await cards.transactionsEnded()
      const committed = await cards.committed()
      const answered = await cards.answered()
      const stopped = [...committed.values()].reduce((a, b) => a + b, 0)
      expect(unanswered(committed, answered)).toEqual([])
      expect(answered.size, 'all that was written was committed').toBe(stopped)

      const flags = ['--workers', '2', '--worker-name', 'pair', '--log-format', 'text']
      const second = cards.run(...flags)
      await second.says(`partitions=${HALF}`)
      await cards.send(payments(EVENTS, 2))
      await cards.allCommitted()
      second.process.kill('SIGTERM')
      expect(await second.ended).toMatchObject({ code: 0, signal: null })
      await expectAllOnce(cards)
    } finally {
      await cards.close()
    }
  },
)
