import { expect, test } from 'vitest'
import { API, FaultyWire } from '../services/faulty-wire.ts'
import { mute } from '../services/mute.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { startTidemark } from '../services/tidemark.ts'
import { CardFraud, payments, unanswered } from './card-fraud.ts'

// A worker that is told to stop in the middle of its work, and the one that goes on after it.

const EVENTS = 10_000
/** Less than a connection is waited for. */
const AT_ONCE_MS = 4_000

ownKafkaTest(
  'SIGTERM under load ends with 0; nothing is lost and no offset is ahead of its output',
  async (kafka) => {
    const wire = await FaultyWire.before(kafka)
    const reach = ['--brokers', wire.brokers.join()]
    const cards = await CardFraud.on(kafka.service, 'topologies/card-fraud.ts', reach)
    try {
      await cards.send(payments(EVENTS, 1))

      const commit = wire.hold(API.endTxn)
      const first = cards.run()
      await commit.happened
      first.process.kill('SIGTERM')
      await first.says('SIGTERM')
      commit.release()
      expect(await first.ended).toMatchObject({ code: 0, signal: null })

      await cards.transactionsEnded()
      const committed = await cards.committed()
      const done = await cards.answered()
      const stopped = [...committed.values()].reduce((a, b) => a + b, 0)
      expect(unanswered(committed, done)).toEqual([])
      expect(done.size, 'all that was written was committed').toBe(stopped)

      const second = cards.run()
      await cards.send(payments(EVENTS, 2))
      await cards.allCommitted()
      second.process.kill('SIGTERM')
      expect(await second.ended).toMatchObject({ code: 0, signal: null })
      const all = await cards.answered()
      expect(unanswered(cards.ends, all)).toEqual([])
      expect([...all.values()].filter((times) => times !== 1)).toEqual([])
    } finally {
      await cards.close()
    }
  },
)

test('SIGTERM ends with 0 at once while a worker waits for brokers that do not answer', async () => {
  const brokers = await mute()
  const run = startTidemark(['run', 'topologies/card-activity.ts', '--brokers', brokers])
  await run.says('worker is starting')
  const startMs = performance.now()
  run.process.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 0, signal: null })
  expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS)
})
