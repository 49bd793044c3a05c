import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TopicPartition } from '../../src/connect/port.ts'
import { assignSticky, type Claimant } from '../../src/connect/sticky-assignment.ts'
import { partitionName } from '../../src/kernel/ids.ts'
import { runs } from '../support/runs.ts'

type Group = { readonly members: readonly Claimant[]; readonly partitions: Map<string, number> }

const TOPICS = ['a', 'b', 'c']

/**
 * A group with claims of any kind: doubled, outdated, of partitions and topics that are not there.
 */
const groups = (topics: fc.Arbitrary<string[]>): fc.Arbitrary<Group> =>
  fc
    .record({
      members: fc.uniqueArray(
        fc.record({
          id: fc.string({ minLength: 1, maxLength: 3 }),
          topics,
          owned: fc.array(
            fc.record({ topic: fc.constantFrom(...TOPICS, 'x'), partition: fc.nat(8) }),
            { maxLength: 14 },
          ),
          generation: fc.integer({ min: -1, max: 3 }),
        }),
        { minLength: 1, maxLength: 4, selector: ({ id }) => id },
      ),
      counts: fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7)),
    })
    .map(({ members, counts }) => ({
      members,
      partitions: new Map(TOPICS.map((topic, i) => [topic, counts[i] ?? 0])),
    }))

const anyGroup = groups(fc.subarray(TOPICS))
const equalGroup = groups(fc.constant(TOPICS))

function assigned({ members, partitions }: Group): Map<string, TopicPartition[]> {
  return assignSticky(members, partitions)
}

const names = (list: readonly TopicPartition[]) => list.map(partitionName).sort()

const countOf = (list: readonly TopicPartition[], topic: string) =>
  list.filter((p) => p.topic === topic).length

const spread = (counts: readonly number[]) => Math.max(...counts) - Math.min(...counts)

/** Who holds a partition before: by the rule as it is told. */
function holderOf(group: Group, topic: string, partition: number): string | undefined {
  return group.members
    .filter((m) => m.topics.includes(topic))
    .filter((m) => m.owned.some((o) => o.topic === topic && o.partition === partition))
    .sort((x, y) => y.generation - x.generation || (x.id < y.id ? -1 : 1))
    .at(0)?.id
}

function all({ partitions }: Group): TopicPartition[] {
  return [...partitions].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
}

/** How uneven the totals are, and how many partitions stay. */
interface Verdict {
  readonly unevenness: number
  readonly kept: number
}

function verdictOf(group: Group, assignment: ReadonlyMap<string, TopicPartition[]>): Verdict {
  let [unevenness, kept] = [0, 0]
  for (const [id, list] of assignment) {
    unevenness += list.length ** 2
    kept += list.filter((p) => holderOf(group, p.topic, p.partition) === id).length
  }
  return { unevenness, kept }
}

/** The best there is, by trying every way to say who gets one partition more of each topic. */
function bestOf(group: Group): Verdict {
  const totals = new Map(group.members.map((m) => [m.id, 0]))
  let best: Verdict = { unevenness: Number.POSITIVE_INFINITY, kept: 0 }
  const tryFrom = (at: number, kept: number) => {
    const topic = TOPICS[at]
    if (topic === undefined) {
      const unevenness = [...totals.values()].reduce((sum, n) => sum + n ** 2, 0)
      const better = unevenness - best.unevenness || best.kept - kept
      if (better < 0) best = { unevenness, kept }
      return
    }
    const readers = group.members.filter((m) => m.topics.includes(topic)).map((m) => m.id)
    const mine = all(group).filter((p) => p.topic === topic)
    if (readers.length === 0) return tryFrom(at + 1, kept)
    const held = (id: string) => mine.filter((p) => holderOf(group, topic, p.partition) === id)
    for (const extended of subsets(readers, mine.length % readers.length)) {
      let stay = 0
      const quota = (id: string) =>
        Math.floor(mine.length / readers.length) + (extended.includes(id) ? 1 : 0)
      for (const id of readers) {
        totals.set(id, (totals.get(id) ?? 0) + quota(id))
        stay += Math.min(held(id).length, quota(id))
      }
      tryFrom(at + 1, kept + stay)
      for (const id of readers) totals.set(id, (totals.get(id) ?? 0) - quota(id))
    }
  }
  tryFrom(0, 0)
  return best
}

function subsets(of: readonly string[], size: number): string[][] {
  if (size === 0) return [[]]
  return of.flatMap((first, i) =>
    subsets(of.slice(i + 1), size - 1).map((rest) => [first, ...rest]),
  )
}

describe('sticky assignment', () => {
  test('every partition that somebody reads has one reader, who has subscribed to it', () => {
    fc.assert(
      fc.property(anyGroup, (group) => {
        const assignment = assigned(group)
        const read = all(group).filter((p) => group.members.some((m) => m.topics.includes(p.topic)))
        expect(names([...assignment.values()].flat())).toEqual(names(read))
        for (const { id, topics } of group.members) {
          expect(assignment.get(id)?.every((p) => topics.includes(p.topic))).toBe(true)
        }
      }),
    )
  })

  test('the readers of a topic have equally many of its partitions, or one more', () => {
    fc.assert(
      fc.property(anyGroup, (group) => {
        const assignment = assigned(group)
        for (const topic of TOPICS) {
          const readers = group.members.filter((m) => m.topics.includes(topic))
          if (readers.length === 0) continue
          const counts = readers.map(({ id }) => countOf(assignment.get(id) ?? [], topic))
          expect(spread(counts)).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  test('members that read the same have in total equally many, or one more', () => {
    fc.assert(
      fc.property(equalGroup, (group) => {
        const counts = [...assigned(group).values()].map((list) => list.length)
        expect(spread(counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test.each([
    ['some read', anyGroup],
    ['all read', equalGroup],
  ])('no choice is more even, and of those none keeps more, of topics that %s', (_, any) => {
    fc.assert(
      fc.property(any, (group) => {
        expect(verdictOf(group, assigned(group))).toEqual(bestOf(group))
      }),
      { numRuns: runs(300) },
    )
  })

  test('asked again with what it gave, it changes nothing', () => {
    fc.assert(
      fc.property(anyGroup, (group) => {
        const assignment = assigned(group)
        const members = group.members.map((m) => ({
          ...m,
          owned: assignment.get(m.id) ?? [],
          generation: 4,
        }))
        const again = assigned({ ...group, members })
        for (const [id, list] of assignment) expect(names(again.get(id) ?? [])).toEqual(names(list))
      }),
    )
  })

  test('the order in which members come does not matter', () => {
    fc.assert(
      fc.property(anyGroup, (group) => {
        const turned = { ...group, members: group.members.toReversed() }
        expect(assigned(turned)).toEqual(assigned(group))
      }),
    )
  })

  test('of two claims the one of the later generation holds, and a member that left leaves its share', () => {
    const owned = [0, 1].map((partition) => ({ topic: 'a', partition }))
    const late = { id: 'late', topics: ['a'], owned, generation: 7 }
    const zombie = { id: 'a zombie', topics: ['a'], owned: owned.slice(0, 1), generation: 6 }
    const both = assignSticky([zombie, late], new Map([['a', 2]]))
    expect(both.get('late')).toEqual([{ topic: 'a', partition: 0 }])
    expect(assignSticky([zombie], new Map([['a', 2]])).get('a zombie')).toHaveLength(2)
  })
})
