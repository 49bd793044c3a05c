import { defineTopology, minutes } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { planOf, sharesTopic } from '../../src/engine/plan.ts'
import type { SinkOrSinks, Stream } from '../../src/topology/stream.ts'

interface Event {
  readonly key: string
  readonly at: number
}

function isShared(sinks: (events: Stream<Event>) => SinkOrSinks): boolean {
  const definition = defineTopology('t', (t) =>
    sinks(
      t.source('events', {
        schema: z.object({ key: z.string(), at: z.int() }),
        key: (e) => e.key,
        eventTimeMs: (e) => e.at,
        watermark: { lag: minutes(0) },
        onLate: 'drop',
      }),
    ),
  )
  return sharesTopic(planOf(definition))
}

const counts = (events: Stream<Event>, length: number) =>
  events.tumbling(minutes(length)).aggregate({}, (a) => ({ n: a.count() }))

test('a topic that a tumbling step and another way lead to is shared', () => {
  expect(isShared((e) => [e.sink('a'), counts(e, 1).sink('a')])).toBe(true)
  expect(isShared((e) => [counts(e, 1).sink('a'), counts(e, 5).sink('a')])).toBe(true)
})

test('two ways before or behind the same tumbling steps share none: they take its results together', () => {
  const both = (e: Stream<Event>) => [e.sink('a'), e.where((of) => of.at > 0).sink('a')]
  expect(isShared(both)).toBe(false)
  expect(isShared((e) => [...both(e), counts(e, 1).sink('b')])).toBe(false)
  const one = (e: Stream<Event>) => {
    const results = counts(e, 1)
    return [results.sink('a'), results.where((of) => of.n > 1).sink('a')]
  }
  expect(isShared(one)).toBe(false)
})
