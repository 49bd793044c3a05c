import { expect } from 'vitest'
import { ReplayedRun } from '../integration/replayed-run.ts'
import { until } from '../services/cluster.ts'
import { kafkaTest } from '../services/kafka.ts'
import { tidemark } from '../services/tidemark-in-test.ts'
import { isAlive, workerPids } from '../services/worker-pids.ts'

const EVENTS = Number(process.env['TIDEMARK_TEST_EVENTS'] ?? 20_000)
const HEAP_MB = 400
const ROUNDS = 200
/** Events on their way at most, dead letters among all. */
const AHEAD = EVENTS / 10
const KILLED_AT = [50, 100, 150]

kafkaTest(
  'replay --verify finds all events equal, with killed workers and updates of a table',
  async (kafka) => {
    const run = await ReplayedRun.on(kafka)
    try {
      await run.update(0)
      const workers = run.work('--workers', '2')
      await workers.says('worker is running', 2)
      for (let round = 1; round <= ROUNDS; round++) {
        await run.pay(EVENTS / ROUNDS)
        await run.update(round, 4)
        await until('it keeps up', async () => run.sent - (await run.outputs()) < AHEAD)
        // The successor of one that was killed may not be there yet.
        const victim = workerPids(workers).findLast(isAlive)
        if (KILLED_AT.includes(round)) process.kill(victim as number, 'SIGKILL')
      }
      await run.allCommitted()
      workers.process.kill('SIGTERM')
      await workers.ended
      const { code, stdout, stderr } = await tidemark(['replay', ...run.flags(), '--verify'], {
        env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` },
      })
      expect({ code, stdout, stderr }).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(
          `${EVENTS.toLocaleString('en')} equal, 0 different`,
        ) as string,
      })
    } finally {
      await run.close()
    }
  },
  300_000,
)
