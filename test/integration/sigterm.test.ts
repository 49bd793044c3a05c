import { expect, test } from 'vitest'
import { kafkaTest } from '../services/kafka.ts'
import { mute } from '../services/mute.ts'
import { startTidemark } from '../services/tidemark.ts'
import { CardFraud, payments, unanswered } from './card-fraud.ts'

// A worker that is told to stop in the middle of its work, and the one that goes on after it.

const EVENTS = 60_000
/** Less than a connection is waited for. */
const AT_ONCE_MS = 4_000

kafkaTest(
  'SIGTERM under load ends with 0; nothing is lost and no offset is ahead of its output',
  async (kafka) => {
    const cards = await CardFraud.on(kafka)
    try {
      await cards.send(payments(EVENTS, 1))

      const first = cards.run()
      // The first chunks are through the model; thousands of events are on their way.
      await first.says('"msg":"dead letter"')
      first.process.kill('SIGTERM')
      expect(await first.ended).toMatchObject({ code: 0, signal: null })

      await cards.transactionsEnded()
      const committed = await cards.committed()
      const done = await cards.answered()
      const stopped = [...committed.values()].reduce((a, b) => a + b, 0)
      expect(stopped, 'it was stopped before it was through').toBeLessThan(EVENTS)
      expect(unanswered(committed, done)).toEqual([])
      expect(done.size, 'all that was written was committed').toBe(stopped)

      const second = cards.run()
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
