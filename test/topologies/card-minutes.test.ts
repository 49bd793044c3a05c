import { expect, test } from 'vitest'
import cardMinutes from '../../topologies/card-minutes.ts'
import { DAY, expectAllCounted, type Line, SAMPLE } from './minutes-by-hand.ts'
import { runMinutes } from './run-minutes.ts'

const run = (lines: readonly Line[]) =>
  runMinutes(cardMinutes, { sink: 'card-minutes', graceMs: 0 }, lines)

test.each([
  ['the sample', SAMPLE],
  ['28 hours', DAY],
])(
  'each minute in which a card of %s paid comes out once, as counted by hand',
  async (_, lines) => {
    const { outputs, outcomes, minutes } = await run(lines)
    const told = outputs.map(({ key, value, headers }) => [headers['tidemark-id'], key, value])
    const wanted = minutes.map((m) => [
      `payments/${m.partition}/card-minutes/${m.card}/${m.startMs}`,
      m.card,
      {
        key: m.card,
        windowStartMs: m.startMs,
        windowEndMs: m.startMs + 60_000,
        payments: m.payments,
        spent: m.spent,
        largest: m.largest,
        merchants: m.merchants,
      },
    ])
    expect(told.toSorted(byId)).toEqual(wanted.toSorted(byId))
    expectAllCounted(lines, minutes, outcomes)
  },
)

test('the minutes of a partition come out in the order in which they end, cards in the order of their keys', async () => {
  const { outputs } = await run(DAY)
  for (const partition of new Set(outputs.map((o) => o.partition))) {
    const places = outputs
      .filter((o) => o.partition === partition)
      .map(({ value }) => ({ end: value.windowEndMs, key: value.key }))
    const sorted = places.toSorted((a, b) => a.end - b.end || (a.key < b.key ? -1 : 1))
    expect(places).toEqual(sorted)
  }
})

function byId(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a[0]) < String(b[0]) ? -1 : 1
}
