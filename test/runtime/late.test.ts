import { seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { defineTopology } from '../../src/topology/builder.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { headerOf } from '../support/headers.ts'
import { committed, joined } from './hand-worker.ts'
import { model, prepared, record, START_MS, scored, scorer, source } from './support.ts'

/** Whose outputs are made of objects. */
const keyed = defineTopology('scored', (t) =>
  t
    .source('events', source)
    .features((f) => {
      const events = f.events({ amount: (e) => e.amount })
      return { amount: events.value('amount'), sum: events.rolling(seconds(10)).sum('amount') }
    })
    .score(model)
    .sink('scores', { key: (s) => s.event.key }),
)

function at(offset: number, afterSeconds: number) {
  const value = { key: 'k', at: START_MS + afterSeconds * 1_000, amount: 1 }
  return record(offset, { value: Buffer.from(JSON.stringify(value)) })
}

test.each<[string, Definition]>([
  ['of columns', scored],
  ['under a key of its own', keyed],
])(
  'the output of a late event that is scored says so, as no other does: %s',
  async (_, definition) => {
    const scoringLate: Definition = {
      ...definition,
      source: { ...definition.source, onLate: 'score' },
    }
    const { member } = await joined(scorer(), { prepared: prepared(scorer(), scoringLate) })
    member.assign(1)
    // The watermark is 1 s behind the newest event.
    member.give(1, [at(0, 0), at(1, 20), at(2, 18), at(3, 19)])
    const { outputs, deadLetters } = await committed(member)
    expect(outputs.map((o) => headerOf(o, 'tidemark-late') ?? null)).toEqual([
      null,
      null,
      'true',
      null,
    ])
    expect(deadLetters).toEqual([])
  },
)

test.each(['dead-letter', 'drop', 'score'] as const)(
  'a late event is told with what was done: %s',
  async (onLate) => {
    const definition = { ...scored, source: { ...scored.source, onLate } }
    const { member, watch } = await joined(scorer(), {
      prepared: prepared(scorer(), definition),
    })
    member.assign(1)
    member.give(1, [at(0, 20), at(1, 0)])
    await committed(member)
    const step = 'features'
    expect(watch.of('late')).toEqual([
      { type: 'late', topology: 'scored', step, action: onLate, count: 1 },
    ])
  },
)
