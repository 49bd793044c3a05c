import { expect } from 'vitest'
import { CardFraud, payments, unanswered } from '../integration/card-fraud.ts'
import { expectAllOnce, HALF, twoWorkers } from '../integration/two-workers.ts'
import { kafkaTest } from '../services/kafka.ts'

const EVENTS = 60_000

kafkaTest(
  'the parent is killed under load: its workers commit what is in flight and end, and the next ones go on',
  async (kafka) => {
    const cards = await CardFraud.on(kafka)
    try {
      const first = await twoWorkers(cards, '--worker-name', 'pair')
      const sending = cards.send(payments(EVENTS, 1))
      await first.says('"msg":"dead letter"')
      first.process.kill('SIGKILL')
      await sending
      // Not before nobody has its stderr open any more.
      const { signal, stderr } = await first.ended
      expect(signal).toBe('SIGKILL')
      expect(stderr.match(/"state":"stopped"/g)).toHaveLength(2)
      await cards.transactionsEnded()
      const committed = await cards.committed()
      const answered = await cards.answered()
      const stopped = [...committed.values()].reduce((a, b) => a + b, 0)
      expect(stopped, 'it was killed before it was through').toBeLessThan(EVENTS)
      expect(unanswered(committed, answered)).toEqual([])
      expect(answered.size, 'all that was written was committed').toBe(stopped)

      const flags = ['--workers', '2', '--worker-name', 'pair', '--log-format', 'text']
      const second = cards.run(...flags)
      await second.says(`partitions=${HALF}`)
      await cards.allCommitted()
      second.process.kill('SIGTERM')
      expect(await second.ended).toMatchObject({ code: 0, signal: null })
      await expectAllOnce(cards)
    } finally {
      await cards.close()
    }
  },
)
