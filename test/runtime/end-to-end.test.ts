import { defineTopology, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { Event, PacelessClock, run, topics } from './memory-workers.ts'
import { START_MS } from './support.ts'

/** Small amounts → `sums`, others → `others`. */
const twoWays = defineTopology('two-ways', (t) => {
  const { small, rest } = t
    .source('events', {
      schema: Event,
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(60) },
      onLate: 'dead-letter',
    })
    .branch({ small: (e) => e.amount < 10 })
  return [small.sink('sums'), rest.sink('others')]
})

test('of each chunk and topic the oldest record behind an output there is told, by how long it took to be acknowledged', async () => {
  // Five records a chunk.
  const records = topics()
  const amounts = [99, 1, 2, 99, null, 1, 1, -1, 1, 1]
  records.produce(
    amounts.map((amount, i) => ({
      topic: 'events',
      partition: 0,
      key: Buffer.from('k'),
      value: Buffer.from(JSON.stringify({ key: 'k', at: START_MS + i * 100, amount })),
      timestampMs: START_MS + i * 100,
      headers: [],
    })),
  )
  const { watch } = await run(records, [twoWays], { clock: new PacelessClock(START_MS + 1_000) })
  const delaysOf = (topic: string) =>
    watch
      .of('committed')
      .flatMap(({ outputs }) => outputs)
      .filter((output) => output.topic === topic)
      .flatMap(({ endToEndMs }) => endToEndMs)
  expect(delaysOf('sums')).toEqual([900, 500])
  expect(delaysOf('others')).toEqual([1_000])
  expect(delaysOf('events.dlq')).toEqual([600])
})
