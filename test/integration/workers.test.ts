import { expect } from 'vitest'
import { kafkaTest } from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { workerPids } from '../services/worker-pids.ts'
import { CardFraud, PARTITIONS, payments, unanswered } from './card-fraud.ts'

// Two workers under one parent, and what a kill -9 leaves of them.

const EVENTS = 60_000
const HALF = PARTITIONS / 2
const TIMEOUT_MS = 90_000

/** Both of them, once each has its half of the partitions. */
async function twoWorkers(cards: CardFraud, ...flags: readonly string[]): Promise<Running> {
  const run = cards.run('--workers', '2', ...flags)
  await run.says(`"worker":2,"partitions":${HALF},"msg":"assigned `)
  return run
}

/** Each event is answered, by one output or dead letter. */
async function expectAllOnce(cards: CardFraud): Promise<void> {
  const answered = await cards.answered()
  expect(unanswered(cards.ends, answered)).toEqual([])
  expect([...answered.values()].filter((times) => times !== 1)).toEqual([])
}

kafkaTest(
  'a worker is killed under load: its partitions go on, it comes back, and each event is answered once',
  async (kafka) => {
    const cards = await CardFraud.on(kafka)
    try {
      const run = await twoWorkers(cards)
      const [, second] = workerPids(run) as [number, number]
      const sending = cards.send(payments(EVENTS, 1))
      // The first chunks are through the model; thousands of events are on their way.
      await run.says('"msg":"dead letter"')
      process.kill(second, 'SIGKILL')
      await sending
      await run.says('"worker":2,"reason":"its process ended by SIGKILL"')
      await run.says(`"worker":2,"partitions":${HALF},"msg":"assigned `, 2)
      await cards.send(payments(EVENTS / 2, 2))
      await cards.allCommitted()
      run.process.kill('SIGTERM')
      expect(await run.ended).toMatchObject({ code: 0, signal: null })
      await expectAllOnce(cards)
    } finally {
      await cards.close()
    }
  },
  TIMEOUT_MS,
)

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
      await second.says(`worker=2  partitions=${HALF}`)
      await cards.allCommitted()
      second.process.kill('SIGTERM')
      const end = await second.ended
      expect(end).toMatchObject({ code: 0, signal: null })
      expect(end.stderr, 'one table of the stages of both').toMatch(
        /^ms +times +mean(.|\n)+decode/m,
      )
      await expectAllOnce(cards)
    } finally {
      await cards.close()
    }
  },
  TIMEOUT_MS,
)
