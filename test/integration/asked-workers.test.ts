import { expect } from 'vitest'
import { faultsOfAnswers } from '../chaos/asked-answers.ts'
import { kafkaTest } from '../services/kafka.ts'
import { httpOfRequests } from '../services/tidemark-in-test.ts'
import { workerPids } from '../services/worker-pids.ts'
import { askAll, perPartition } from './asked-cards.ts'
import { CardFraud, PARTITIONS, payments, WITH_FEATURES } from './card-fraud.ts'
import { twoWorkers } from './two-workers.ts'

const EVENTS = 2_000

kafkaTest(
  'the workers of one parent answer for all partitions at its port; when one is killed, its own get 503 until it is back',
  async (kafka) => {
    const cards = await CardFraud.on(kafka, WITH_FEATURES)
    try {
      const run = await twoWorkers(cards, '--predict-port', '0')
      const url = await httpOfRequests(run)
      await cards.send(payments(EVENTS, 1))
      await cards.allCommitted()
      const events = perPartition(cards)
      const before = await askAll(url, events)
      expect(before.map(({ status }) => status)).toEqual(events.map(() => 200))

      const [, second] = workerPids(run) as [number, number]
      process.kill(second, 'SIGKILL')
      await run.says('"worker":2,"reason":"its process ended by SIGKILL"')
      const after = [...(await askAll(url, events))]
      const lacking = () => after.slice(-PARTITIONS).filter(({ status }) => status !== 200)
      expect(lacking()).not.toEqual([])
      while (lacking().length > 0) after.push(...(await askAll(url, events)))
      const others = after.filter(({ status }) => status !== 200)
      expect(others.filter((of) => of.status !== 503 || of.retryAfter === null)).toEqual([])

      const given = [...before, ...after].filter(({ status }) => status === 200)
      expect(new Set(given.map(({ body }) => body.asOf.partition)).size).toBe(PARTITIONS)
      expect(await faultsOfAnswers(EVENTS, given)).toEqual([])
      run.process.kill('SIGTERM')
      expect(await run.ended).toMatchObject({ code: 0, signal: null })
    } finally {
      await cards.close()
    }
  },
)
