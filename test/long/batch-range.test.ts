import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { readGolden } from '../golden/golden.ts'
import { Backfill } from '../integration/backfill.ts'
import { payments } from '../integration/card-fraud.ts'
import { API, FaultyWire } from '../services/faulty-wire.ts'
import { kafkaTest } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import type { Running } from '../services/tidemark.ts'

// Bounded groups whose workers are killed again and again, against a live run and a group that no
// one disturbs.

const W1 = {
  topology: 'test/golden/topologies/w1.ts',
  source: 'payments',
  sinks: ['predictions', 'payments.dlq'],
} as const
const FLIGHTS = {
  topology: 'topologies/flight-delay.ts',
  source: 'flights',
  sinks: ['flight-predictions', 'flights.dlq'],
} as const
const POINTS = Number(process.env['TIDEMARK_TEST_KILLS'] ?? 2)
const WORKERS = 3
const MORTAL = ['--worker-name', 'none', '--session-timeout', '3']
const SLOW = ['--commit-interval', '200', '--max-commit-mb', '1']

const flights = readGolden(fileURLToPath(new URL('../golden/flight-delay', import.meta.url)))

for (const [name, topology, lines, range] of [
  ['W1', W1, [...payments(20_000, 1)], [5_000, 15_000]],
  ['flights', FLIGHTS, flights.lines, [1_000, 3_500]],
] as const) {
  kafkaTest(
    `${name}: a group of three makes of a range what a live worker makes of it`,
    async (kafka) => {
      const backfill = await Backfill.of(kafka, topology, { lines, range })
      try {
        const made = await backfill.made('backfill')
        const workers = Array.from({ length: WORKERS }, () => backfill.start(made))
        for (const { ended } of workers) expect((await ended).code).toBe(0)
        const cells = await backfill.cells(made)
        expect(cells.size).toBeGreaterThan(backfill.size / 3)
        expect(cells).toEqual(await backfill.live())
      } finally {
        await backfill.close()
      }
    },
  )
}

for (const count of [1, 2]) {
  ownKafkaTest(
    `kill -9 at ${POINTS} points of a range, of ${count === 1 ? 'its only worker' : 'one of two workers'}: it is as if nothing had happened`,
    async (kafka) => {
      const wire = await FaultyWire.before(kafka)
      const lines = [...payments(10_000 * POINTS, 3)]
      const input = { lines, range: [1_000 * POINTS, 9_000 * POINTS] } as const
      const backfill = await Backfill.of({ ...kafka.service, brokers: wire.brokers }, W1, input)
      try {
        const quiet = await backfill.made('quiet')
        expect((await backfill.start(quiet).ended).code).toBe(0)
        const expected = await backfill.cells(quiet)

        const made = await backfill.made('killed')
        const start = () => backfill.start(made, ...MORTAL, ...SLOW)
        const commits = Array.from({ length: POINTS }, (_, i) =>
          wire.hold(API.endTxn, { nth: 2 * i + 2 }),
        )
        let workers = Array.from({ length: count }, start)
        for (const commit of commits) {
          const [victim, ...others] = workers as [Running, ...Running[]]
          await commit.happened
          victim.process.kill('SIGKILL')
          expect((await victim.ended).signal).toBe('SIGKILL')
          commit.release()
          workers = [...others, start()]
        }
        for (const { ended } of workers) expect((await ended).code).toBe(0)
        expect(await backfill.cells(made)).toEqual(expected)
      } finally {
        await backfill.close()
      }
    },
    400_000,
  )
}
