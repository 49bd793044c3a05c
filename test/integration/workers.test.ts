import { expect } from 'vitest'
import { kafkaTest } from '../services/kafka.ts'
import { workerPids } from '../services/worker-pids.ts'
import { CardFraud, payments } from './card-fraud.ts'
import { expectAllOnce, HALF, twoWorkers } from './two-workers.ts'

const EVENTS = 20_000

kafkaTest(
  'a worker is killed under load: its partitions go on, it comes back, and each event is answered once',
  async (kafka) => {
    const cards = await CardFraud.on(kafka)
    try {
      const run = await twoWorkers(cards)
      const [, second] = workerPids(run) as [number, number]
      const assigned = `"worker":2,"partitions":${HALF},"msg":"assigned `
      const sending = cards.send(payments(EVENTS, 1))
      // The first chunks are through the model; thousands of events are on their way.
      await run.says('"msg":"dead letter"')
      const before = run.stderr().split(assigned).length - 1
      process.kill(second, 'SIGKILL')
      await sending
      await run.says('"worker":2,"reason":"its process ended by SIGKILL"')
      await run.says(assigned, before + 1)
      await cards.send(payments(EVENTS / 2, 2))
      await cards.allCommitted()
      run.process.kill('SIGTERM')
      expect(await run.ended).toMatchObject({ code: 0, signal: null })
      await expectAllOnce(cards)
    } finally {
      await cards.close()
    }
  },
)
