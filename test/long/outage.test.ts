import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { CardFraud, payments, unanswered } from '../integration/card-fraud.ts'
import { showsEnd, showsTrouble } from '../integration/status-of-faults.ts'
import { untilState } from '../integration/until-state.ts'
import { LONG_SESSION_MS } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { httpOf } from '../services/tidemark-in-test.ts'

// A broker that is gone for a while, in the middle of a worker's work.

const EVENTS = 50_000
/**
 * How long the broker is gone, beside the time that it takes to stop and start; a longer run has
 * 60,000.
 */
const GONE_MS = Number(process.env['TIDEMARK_TEST_GONE_MS'] ?? 0)

ownKafkaTest(
  'a worker outlives its broker: alive throughout, unavailable while it is gone, then it goes on without loss',
  async (kafka) => {
    const cards = await CardFraud.on(kafka.service)
    try {
      await cards.send(payments(EVENTS, 1))
      const run = cards.run(
        '--http-port',
        '0',
        '--session-timeout',
        String(LONG_SESSION_MS / 1_000),
      )
      const http = await httpOf(run)
      // The first chunks are through the model; thousands of events are on their way.
      await run.says('"msg":"dead letter"')

      kafka.node(1).halt()
      await untilState(http, 'unavailable')
      await showsTrouble(await cards.statusJob(new URL(http)), 'unreadable', 'commit')
      await sleep(GONE_MS)
      await kafka.node(1).restart()
      // It takes its former self out of the group, whose session would hold up the next one's join.
      await untilState(http, 'running')
      await showsEnd(await cards.statusJob(new URL(http)), 'unreadable', 'commit', 'unavailable')

      await cards.send(payments(EVENTS, 2))
      await cards.allCommitted()
      run.process.kill('SIGTERM')
      const ended = await run.ended
      expect(ended).toMatchObject({ code: 0, signal: null })
      expect(notOurs(ended.stderr)).toEqual([])
      expect(unanswered(cards.ends, await cards.answered())).toEqual([])
    } finally {
      await cards.close()
    }
  },
  240_000 + GONE_MS,
)

/** Lines that are neither of the log nor of what a worker says at its start and end. */
function notOurs(stderr: string): string[] {
  const ours = /^(\{"level":.*\}|tidemark .*| {2}\w+ .*|! .*|SIGTERM: .*|)$/
  return stderr.split('\n').filter((line) => !ours.test(line))
}
