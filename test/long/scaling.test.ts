import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { CardOracle } from '../bench/card-oracle.ts'
import { answersOf } from '../golden/answers.ts'
import { type Answer, compareGolden, readGolden } from '../golden/golden.ts'
import { CardFraud, PARTITIONS, WITH_FEATURES } from '../integration/card-fraud.ts'
import { LiveOutputs } from '../integration/live-outputs.ts'
import { SteadyPayments } from '../integration/steady.ts'
import { kafkaTest } from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'

// Workers come, die and go under a steady load; every answer is compared with a naive oracle.

const PER_SECOND = 2_000
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition)
const SESSION_S = 3
/** The time that a rebalance may take beside the session. */
const REBALANCE_MS = 5_000

kafkaTest(
  '1 → 3 → 1 workers at 2,000 events/s, one of the three killed: no gap, no feature differs, nobody waits for long',
  async (kafka) => {
    const cards = await CardFraud.on(kafka, WITH_FEATURES)
    const run = () => cards.run('--session-timeout', String(SESSION_S))
    try {
      const first = run()
      await first.says('worker is running')
      const live = await LiveOutputs.of(cards)
      const steady = new SteadyPayments(cards, PER_SECOND)
      const served = (afterMs: number) => live.until(() => isServedSince(live, afterMs))
      await served(0)
      await steady.more(2 * PER_SECOND)

      const startMs = performance.now()
      const [second, third] = [run(), run()]
      await Promise.all([second, third].map((worker) => worker.says('"msg":"assigned ')))
      await served(performance.now())
      await steady.more(3 * PER_SECOND)

      second.process.kill('SIGKILL')
      const killedMs = performance.now()
      await second.ended
      await served(killedMs)
      await steady.more(3 * PER_SECOND)

      third.process.kill('SIGTERM')
      expect(await third.ended).toMatchObject({ code: 0 })
      await served(performance.now())
      await steady.more(2 * PER_SECOND)
      const endMs = performance.now()

      await steady.stop()
      await cards.allCommitted()
      first.process.kill('SIGTERM')
      expect(await first.ended).toMatchObject({ code: 0 })

      const longest = (partition: number, sinceMs: number) =>
        longestSilenceMs(live, partition, [sinceMs, endMs])
      const kept = neverLost(first)
      expect(kept, `as few as an even share allows move:\n${rebalancesOf(first)}`).toHaveLength(2)
      for (const p of kept) expect(longest(p, startMs), `partition ${p}`).toBeLessThan(REBALANCE_MS)
      for (const p of ALL) {
        const most = SESSION_S * 1_000 + REBALANCE_MS
        expect(longest(p, killedMs), `partition ${p}`).toBeLessThan(most)
      }
      const golden = { ...cardGolden, lines: cards.sent, expected: expectedOf(cards) }
      const answers = answersOf(golden, cards.sent, await cards.outcome())
      expect(compareGolden(golden, answers)).toEqual([])
    } finally {
      await cards.close()
    }
  },
)

/** Names the features. */
const cardGolden = readGolden(fileURLToPath(new URL('../golden/card-28h', import.meta.url)))

/** By an oracle that shares no code with the engine. */
function expectedOf(cards: CardFraud): Answer[] {
  const oracle = new CardOracle()
  return cards.sent.map(({ key, value, partition }) => {
    const answer = oracle.take(Buffer.from(key), Buffer.from(value))
    if (answer.outcome !== 'scored') return { outcome: answer.outcome, partition }
    return { outcome: 'scored', partition, features: answer.row.map(Math.fround) }
  })
}

/** Has every partition had an output since? */
function isServedSince({ arrivals }: LiveOutputs, sinceMs: number): boolean {
  const served = new Set<number>()
  for (let i = arrivals.length - 1; i >= 0; i--) {
    const { partition, atMs } = arrivals[i] as LiveOutputs['arrivals'][number]
    if (atMs < sinceMs) break
    served.add(partition)
  }
  return served.size === PARTITIONS
}

/** The longest time without an output. */
function longestSilenceMs(
  { arrivals }: LiveOutputs,
  of: number,
  [fromMs, toMs]: readonly [number, number],
): number {
  const own = arrivals.filter((a) => a.partition === of && fromMs <= a.atMs && a.atMs <= toMs)
  const times = [fromMs, ...own.map((a) => a.atMs), toMs]
  return Math.max(...times.slice(1).map((ms, i) => ms - (times[i] as number)))
}

/** A worker's log lines about its partitions and its state, and its warnings and errors. */
function rebalancesOf(worker: Running): string {
  const lines = worker.stderr().split('\n')
  return lines
    .filter((line) => /"level":"(?:warn|error)"|assigned|handed over|lost|worker is/.test(line))
    .join('\n')
}

/** The partitions that a worker had from its start to its end. */
function neverLost(worker: Running): number[] {
  const [given] = worker.stderr().split('worker is running')
  const [before] = worker.stderr().split('worker is stopping')
  const lost = partitionsIn(before as string, 'handed over|lost')
  return [...partitionsIn(given as string, 'assigned')].filter((p) => !lost.has(p))
}

/** The partitions in lines such as `assigned payments 0-2 4`. */
function partitionsIn(log: string, verb: string): Set<number> {
  const lines = [...log.matchAll(new RegExp(`"msg":"(?:${verb}) \\S+ ([\\d -]+)`, 'g'))]
  const ranges = lines.flatMap(([, list = '']) => list.trim().split(' '))
  return new Set(
    ranges.flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    }),
  )
}
