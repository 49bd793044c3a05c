import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Refused, TidemarkError } from '../../src/kernel/errors.ts'
import { runs } from '../support/runs.ts'
import { commitAs, GROUP, run, send, sums, topics } from './memory-workers.ts'

// Metadata beside an offset may be anybody's.

const EVENTS = 6

function codesOf(error: unknown): string {
  const faults = error instanceof Refused ? error.faults : [error]
  return faults.map((fault) => (fault instanceof TidemarkError ? fault.code : String(fault))).join()
}

const number = fc.oneof(
  fc.nat({ max: EVENTS + 2 }),
  fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, 1e300, '1', null, [], {}),
)
const note = fc.record({
  v: fc.constant(1),
  n: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: number }),
  last: fc.oneof(fc.constant(null), fc.tuple(number, number)),
  t: fc.record({ a: fc.tuple(fc.string(), number, number, number, number) }),
})

test('a worker that finds any metadata goes on, or refuses the topic with a code', async () => {
  const metadata = fc.oneof(
    fc.string(),
    fc.json(),
    note.map((n) => JSON.stringify(n)),
  )
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: EVENTS }), metadata, async (nextOffset, text) => {
      const records = topics()
      for (let i = 0; i < EVENTS; i++) send(records, ['k', i * 1_000])
      await commitAs(records, nextOffset, text)
      const ended = await run(records, [sums('a')]).then(
        () => records.committed(GROUP, { topic: 'events', partition: 0 })?.nextOffset,
        codesOf,
      )
      expect([EVENTS, 'TOPIC_CHANGED']).toContain(ended)
    }),
    { numRuns: runs(100) },
  )
})
