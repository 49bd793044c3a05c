import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Refused, TidemarkError } from '../../src/kernel/errors.ts'
import { Listener } from '../records/listener.ts'
import { GROUP, run, send, sums, topics } from './memory-workers.ts'

// What stands beside an offset may be anybody's.

const EVENTS = 6

/** Leaves an offset with some metadata, as a tool or another consumer of the group would. */
async function commitAs(
  records: ReturnType<typeof topics>,
  nextOffset: number,
  metadata: string,
): Promise<void> {
  const handlers = new Listener()
  const member = await records.join({
    group: GROUP,
    topics: ['events'],
    from: 'earliest',
    handlers,
  })
  const { topic, partition, epoch } = handlers.assignment()
  const nextOffsets = [{ topic, partition, epoch, nextOffset, metadata }]
  await member.commit({ outputs: [], deadLetters: [], nextOffsets })
  await member.leave()
}

/** What ended a worker, by its codes. */
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
    { numRuns: 100 },
  )
})
