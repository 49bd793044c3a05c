import type { Guarantee } from '../../../src/connect/port.ts'
import { Copier } from './copier.ts'

// Copies a topic until SIGTERM, as fast as a worker would commit, but without parsing, windows or a
// model: what is left of the latency is Kafka's and the driver's.
//   npx tsx test/bench/copy/bare.ts BROKERS GUARANTEE INPUT OUTPUT

/** From one commit to the next, ms: a worker's under light load. */
const INTERVAL_MS = { 'exactly-once': 10, 'at-least-once': 3 } satisfies Record<Guarantee, number>

const [brokers = '', guarantee = 'exactly-once', input = '', output = ''] = process.argv.slice(2)
const by = guarantee as Guarantee
const intervalMs = INTERVAL_MS[by]
const task = { brokers: brokers.split(','), guarantee: by, intervalMs, input, outputs: [output] }
process.once('SIGTERM', () => process.exit(0))
const copier = new Copier({ ...task, records: Number.POSITIVE_INFINITY }, output)
await copier.run(() => process.stderr.write('worker is running\n'))
