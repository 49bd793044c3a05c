import { describe, expect, test } from 'vitest'
import { Lifecycle, type LifecycleTable } from '../../src/kernel/lifecycle.ts'
import { followersOf, statesOf, TABLES } from '../support/lifecycles.ts'
import { thrownBy } from '../support/thrown.ts'

const isEnd = (table: LifecycleTable<string>) => (state: string) =>
  followersOf(table, state).length === 0

/** By state, the states on a way to it, itself the last. */
function waysIn(table: LifecycleTable<string>): ReadonlyMap<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>([[table.first, []]])
  for (const [state, way] of ways) {
    for (const [follower] of followersOf(table, state)) {
      if (!ways.has(follower)) ways.set(follower, [...way, follower])
    }
  }
  return ways
}

/** One that has gone this way. */
function gone(table: LifecycleTable<string>, way: readonly string[]): Lifecycle<string> {
  const life = new Lifecycle('it', table)
  for (const state of way) life.enter(state)
  return life
}

describe.each(Object.entries(TABLES))('what %s describes', (_, table) => {
  const ways = waysIn(table)
  const pairs = statesOf(table).flatMap((from) => statesOf(table).map((to) => [from, to] as const))
  const impossible = pairs.filter(
    ([from, to]) => !followersOf(table, from).some(([follower]) => follower === to),
  )

  test('leads to each of its states, and from each to an end', () => {
    expect([...ways.keys()].sort()).toEqual(statesOf(table).sort())
    const ends = (first: string) => [...waysIn({ ...table, first }).keys()].some(isEnd(table))
    expect(statesOf(table).filter((state) => !ends(state))).toEqual([])
  })

  test('is over where nothing follows, and nowhere else', () => {
    const over = [...ways].filter(([, way]) => gone(table, way).isOver).map(([state]) => state)
    expect(over).toEqual([...ways.keys()].filter(isEnd(table)))
  })

  test.each(impossible)('does not go from "%s" to "%s"', async (from, to) => {
    const life = gone(table, ways.get(from) as readonly string[])
    const entering = async () => life.enter(to)
    expect(await thrownBy(entering())).toMatchObject({
      code: 'INVARIANT',
      message: `it cannot go from "${from}" to "${to}"`,
    })
    expect(life.state).toBe(from)
  })
})
