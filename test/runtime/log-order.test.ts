import * as fc from 'fast-check'
import { defineTopology, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import type { Definition } from '../../src/topology/definition.ts'
import { headerOf } from '../support/headers.ts'
import { runs } from '../support/runs.ts'
import { committed, joined } from './hand-worker.ts'
import { model, prepared, record, scorer, source } from './support.ts'

// Several ways to one topic: what comes of an event stands where the event stood, whichever way it
// took.

/** Small amounts are scored, large ones are not; all go to one topic. */
const twoBranches = defineTopology('two-branches', (t) => {
  const { small, rest } = t.source('events', source).branch({ small: (e) => e.amount < 5 })
  const scoredOnes = small
    .features((f) => {
      const events = f.events({ amount: (e) => e.amount })
      return { amount: events.value('amount'), sum: events.rolling(seconds(10)).sum('amount') }
    })
    .score(model)
    .map((s) => ({ amount: s.event.amount }))
    .sink('scores')
  return [rest.map((e) => ({ amount: e.amount })).sink('scores'), scoredOnes]
})

/** Each event, and the count of its window so far, on one topic. */
const besideCounts = defineTopology('beside-counts', (t) => {
  const events = t.source('events', source)
  return [
    events.map((e) => ({ amount: e.amount })).sink('scores'),
    events
      .tumbling(seconds(10), { emit: 'early' })
      .aggregate({}, (a) => ({ n: a.count() }))
      .sink('scores'),
  ]
})

/** The offsets of the records whose outputs a worker commits, in their order. */
async function offsetsOf(definition: Definition, amounts: readonly number[]): Promise<number[]> {
  const { member, clock } = await joined(scorer(), { prepared: prepared(scorer(), definition) })
  member.assign(1)
  member.give(
    1,
    amounts.map((amount, offset) => record(offset, { amount })),
  )
  const offsets: number[] = []
  for (let written = 0; written < amounts.length; ) {
    const { outputs, nextOffsets } = await committed(member)
    offsets.push(...outputs.map((o) => Number(headerOf(o, 'tidemark-id')?.split('/')[2])))
    written = nextOffsets[0]?.nextOffset ?? written
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(300)
  }
  return offsets
}

test('outputs of two branches come in the order of their events', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(9), { minLength: 1, maxLength: 60 }), async (amounts) => {
      const offsets = await offsetsOf(twoBranches, amounts)
      expect(offsets).toEqual(amounts.map((_, offset) => offset))
    }),
    { numRuns: runs(20) },
  )
})

test('also beside a tumbling step whose results come in several pieces', async () => {
  const amounts = Array.from({ length: 2_500 }, () => 1)
  const offsets = await offsetsOf(besideCounts, amounts)
  expect(offsets).toEqual(amounts.flatMap((_, offset) => [offset, offset]))
})
