import { defineTopology } from 'tidemark'
import { expect, test } from 'vitest'
import { headerOf } from '../../support/headers.ts'
import { committed, joined } from '../hand-worker.ts'
import { model, perTenSeconds, prepared, record, START_MS, scorer, source } from '../support.ts'

/**
 * Two models behind the same features, one of which is missing for even amounts: the second does
 * not take that.
 */
const twoModels = defineTopology('two-models', (t) => {
  const rows = t.source('events', source).features((f) => {
    const events = f.events({ amount: (e) => e.amount })
    const odd = events.value((e) => (e.amount % 2 === 0 ? Number.NaN : e.amount))
    return { amount: events.value('amount'), sum: odd }
  })
  return [rows.score(model, { missing: 'nan' }).sink('scores'), rows.score(model).sink('scores')]
})

test('an event that one model answers and another sets aside is scored', async () => {
  const { member, watch } = await joined(scorer(), { prepared: prepared(scorer(), twoModels) })
  member.assign(1)
  member.give(1, [record(0), record(1), record(2), record(3, { value: Buffer.from('{') })])
  const { outputs, deadLetters } = await committed(member)
  expect(outputs.map((o) => headerOf(o, 'tidemark-id'))).toEqual([
    'events/0/0/scores',
    'events/0/1/scores',
    'events/0/1/scores-2',
    'events/0/2/scores',
  ])
  expect(deadLetters).toHaveLength(3)
  const none = { windowed: 0, skipped: 0, duplicate: 0, late: 0 }
  expect(watch.of('processed')[0]?.outcomes).toEqual({ scored: 3, dead: 1, ...none })
})

test('windows that closed are counted by their step', async () => {
  const { member, watch } = await joined(scorer(), { prepared: prepared(scorer(), perTenSeconds) })
  member.assign(1)
  const at = (offset: number, key: string, afterMs: number) => {
    const value = { key, at: START_MS + afterMs, amount: 1 }
    return record(offset, { value: Buffer.from(JSON.stringify(value)) })
  }
  member.give(1, [at(0, 'a', 0), at(1, 'b', 0), at(2, 'a', 10_000), at(3, 'a', 11_000)])
  const { outputs } = await committed(member)
  expect(outputs).toHaveLength(2)
  expect(watch.of('processed')[0]?.closed).toEqual(new Map([['tumbling', 2]]))
})
