import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { answersOf } from '../golden/answers.ts'
import { compareGolden, firstLines, readGolden } from '../golden/golden.ts'
import { kafkaTest } from '../services/kafka.ts'
import { httpOf } from '../services/tidemark-in-test.ts'
import { CardFraud } from './card-fraud.ts'
import { LiveOutputs } from './live-outputs.ts'

// A producer that writes the first payments of card-28h twice, and a worker that is killed between the
// two.

const golden = firstLines(
  readGolden(fileURLToPath(new URL('../golden/card-28h', import.meta.url))),
  1_000,
)
const LINES = golden.lines.length
const ONCE = 'test/golden/topologies/w1-once.ts'
const PORTION = 100
/** Lines that are on their way at most. */
const AHEAD = 200
const FLAGS = ['--worker-name', 'none', '--session-timeout', '3']

type Line = (typeof golden.lines)[number]

/** Sends the golden lines: each once, and again as often as the producer tries again. */
class Sender {
  readonly #cards: CardFraud
  /** Indices in `sent` of what was sent first, by line, and of what was sent again. */
  readonly firsts: number[] = []
  readonly again: number[] = []

  constructor(cards: CardFraud) {
    this.#cards = cards
  }

  /** Sends the next lines, each at once again where a copy of it is no other dead letter. */
  async sendNext(lines = PORTION): Promise<void> {
    const next = golden.lines.slice(this.firsts.length, this.firsts.length + lines)
    await this.#send(next.flatMap((line) => (this.#isScored(line) ? [line, line] : [line])))
  }

  /** Sends the next line that is scored, and those before it, once. @returns it */
  async sendOne(): Promise<Line> {
    const from = this.firsts.length
    const to = golden.lines.findIndex((line, at) => at >= from && this.#isScored(line))
    await this.#send(golden.lines.slice(from, to + 1))
    return golden.lines[to] as Line
  }

  /** Sends a line that was sent last in its partition. */
  async sendAgain(line: Line): Promise<void> {
    this.again.push(this.#cards.sent.length)
    await this.#cards.send([line])
  }

  async #send(lines: readonly Line[]): Promise<void> {
    for (const [at, line] of lines.entries()) {
      const index = this.#cards.sent.length + at
      if (lines[at - 1] === line) this.again.push(index)
      else this.firsts.push(index)
    }
    await this.#cards.send(lines)
  }

  #isScored(line: Line): boolean {
    return golden.expected[golden.lines.indexOf(line)]?.outcome === 'scored'
  }
}

kafkaTest(
  'all that is written twice is answered once, also where a worker was killed between the two',
  async (kafka) => {
    const cards = await CardFraud.on(kafka, ONCE)
    try {
      const first = cards.run(...FLAGS)
      await first.says('worker is running')
      const live = await LiveOutputs.of(cards)
      const sender = new Sender(cards)
      while (live.arrivals.length < LINES / 2) {
        await sender.sendNext()
        await live.until(({ arrivals }) => arrivals.length + AHEAD > sender.firsts.length)
      }
      const split = await sender.sendOne()
      await cards.allCommitted()
      first.process.kill('SIGKILL')
      expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })
      const committed = await cards.committed()

      const second = cards.run(...FLAGS, '--http-port', '0')
      const http = await httpOf(second)
      await sender.sendAgain(split)
      while (sender.firsts.length < LINES) await sender.sendNext()
      await second.says('"msg":"assigned ')
      await cards.allCommitted()
      const metrics = await (await fetch(`${http}/metrics`)).text()
      second.process.kill('SIGTERM')
      expect((await second.ended).code).toBe(0)

      const left = sender.again.filter((index) => {
        const { partition, offset } = cards.sent[index] as (typeof cards.sent)[number]
        return offset >= (committed.get(partition) ?? 0)
      })
      expect(left.length).toBeGreaterThan(LINES / 4)
      expect(duplicatesIn(metrics)).toBe(left.length)
      const places = sender.firsts.map((index) => cards.sent[index] as (typeof cards.sent)[number])
      const answers = answersOf(golden, places, await cards.outcome())
      expect(compareGolden(golden, answers)).toEqual([])
    } finally {
      await cards.close()
    }
  },
)

function duplicatesIn(metrics: string): number {
  const series = /^tidemark_records_processed_total\{.*outcome="duplicate".*\} (\d+)$/m
  return Number(series.exec(metrics)?.[1])
}
