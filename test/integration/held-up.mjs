// A worker in a process of its own that reads a topic to an offset and says how long it has held the event loop at most, and how much
// memory it took: node --import tsx held-up.mjs echo|minutes GUARANTEE BROKER GROUP SOURCE SINK DEAD_LETTERS OFFSET
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { minutes, seconds } from '../../src/kernel/time.ts'
import { defineTopology } from '../../src/topology/builder.ts'
import { prepare, startWorker } from '../support/in-process.ts'

const [work, guarantee, broker, group, source, sink, deadLetters, offset] = process.argv.slice(2)

/** What is done with the events: passed on, or counted by key and minute. */
const WORK = {
  echo: (events) => events.sink('sink'),
  minutes: (events) =>
    events
      .tumbling(minutes(1))
      .aggregate({}, (a) => ({ n: a.count() }))
      .sink('sink'),
}

const definition = defineTopology(work, (t) =>
  WORK[work](
    t.source('source', {
      schema: z.object({ key: z.string(), at: z.number() }),
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    }),
  ),
)

/** What the main thread has run so far, ms: on a busy machine it waits, and that is not its doing. */
function ranMs() {
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e6
}

let heldMs = 0
function watchLoop() {
  let before = { atMs: performance.now(), ranMs: ranMs() }
  return setInterval(() => {
    const now = { atMs: performance.now(), ranMs: ranMs() }
    heldMs = Math.max(heldMs, Math.min(now.atMs - before.atMs, now.ranMs - before.ranMs))
    before = now
  }, 1)
}

const topics = { source, sink, 'source.dlq': deadLetters }
const prepared = await prepare([definition], { topics })
const records = new KafkaRecords({ brokers: [broker] })
let watching
const worker = startWorker({
  prepared,
  records,
  group,
  guarantee,
  observer: (event) => {
    if (event.type === 'assigned') watching ??= watchLoop()
    if (event.type === 'committed' && event.nextOffsets[0]?.nextOffset >= Number(offset)) {
      clearInterval(watching)
      void worker.stop()
    }
  },
})
await worker.done
await records.close()
const peakKb = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]
process.stdout.write(`${JSON.stringify({ heldMs, peakMb: Number(peakKb) / 1024 })}\n`)
