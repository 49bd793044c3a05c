import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { answersOf } from '../golden/answers.ts'
import { compareGolden, readGolden } from '../golden/golden.ts'
import { kafkaTest } from '../services/kafka.ts'
import { httpOf } from '../services/tidemark-in-test.ts'
import { CardFraud, WITH_FEATURES } from './card-fraud.ts'
import { LiveOutputs } from './live-outputs.ts'

// A worker that is killed in the middle of card-28h, and the one that takes over with the windows
// as they were.

const golden = readGolden(fileURLToPath(new URL('../golden/card-28h', import.meta.url)))
const LINES = golden.lines.length
const PORTION = 40
/** Lines that are on their way at most, dead letters among them. */
const AHEAD = 500
/** The dead worker is not known to the next one, which waits until its session has passed. */
const FLAGS = ['--worker-name', 'none', '--session-timeout', '3']

for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
  const outputs = randomInt(1, Math.floor((LINES * 3) / 4))
  kafkaTest(
    `${guarantee}, kill -9 after a random output: the next worker answers the rest, and nothing differs from one run`,
    async (kafka) => {
      const flags = [...FLAGS, '--guarantee', guarantee]
      const cards = await CardFraud.on(kafka, WITH_FEATURES)
      try {
        const first = cards.run(...flags)
        await first.says('worker is running')
        const live = await LiveOutputs.of(cards)
        const sendNext = () =>
          cards.send(golden.lines.slice(cards.sent.length, cards.sent.length + PORTION))
        while (live.arrivals.length < outputs) {
          await sendNext()
          await live.until(({ arrivals }) => arrivals.length + AHEAD > cards.sent.length)
        }
        first.process.kill('SIGKILL')
        expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })

        const second = cards.run(...flags, '--http-port', '0')
        const http = await httpOf(second)
        while (cards.sent.length < LINES) await sendNext()
        await second.says('"msg":"assigned ')
        await untilReady(http)
        await cards.allCommitted()
        second.process.kill('SIGTERM')
        const { code, stderr } = await second.ended
        expect(code).toBe(0)
        if (outputs > AHEAD) {
          expect(stderr).toContain('restoring windows from the log')
          expect(stderr).toContain('windows restored')
        }

        const answers = answersOf(golden, cards.sent, await cards.outcome())
        expect(compareGolden(golden, answers), `killed after ${outputs} outputs`).toEqual([])
        const repeated = [...(await cards.answered()).values()].filter((times) => times > 1)
        if (guarantee === 'exactly-once') expect(repeated).toEqual([])
      } finally {
        await cards.close()
      }
    },
  )
}

interface Readiness {
  readonly status: number
  readonly state: string
  readonly restoring: number
}

async function readinessOf(http: string): Promise<Readiness> {
  const answer = await fetch(`${http}/readyz`)
  return { status: answer.status, ...((await answer.json()) as Omit<Readiness, 'status'>) }
}

/** Asks a worker until it is ready. It must be ready exactly when it runs and restores nothing. */
async function untilReady(http: string): Promise<void> {
  for (;;) {
    const now = await readinessOf(http)
    const isReady = now.state === 'running' && now.restoring === 0
    expect(now.status).toBe(isReady ? 200 : 503)
    if (isReady) return
  }
}
