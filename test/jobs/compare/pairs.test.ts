import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { Chunk } from '../../../src/connect/port.ts'
import { inStep, Pairs, type Side } from '../../../src/jobs/compare/pairs.ts'

const OPTIONS = { mostPending: 1_000, withByClock: false, threshold: 0.5 }

interface Given {
  readonly side: Side
  readonly cause: string
  readonly score: number
  readonly model: string
  readonly byClock: boolean
}

const given = fc.record<Given>({
  side: fc.constantFrom('main', 'other'),
  cause: fc.integer({ min: 0, max: 20 }).map(String),
  score: fc.constantFrom(0.1, 0.4, 0.6, 0.9),
  model: fc.constantFrom('a@1', 'b@1'),
  byClock: fc.boolean(),
})

function pairsOf(all: readonly Given[], options = OPTIONS): Pairs {
  const pairs = new Pairs(options)
  for (const { side, cause, ...scored } of all) pairs.add(side, { cause, scored })
  return pairs
}

/** One output of each side for a cause. */
const both = (cause: string, byClock = false): Given[] =>
  (['main', 'other'] as const).map((side) => ({
    ...{ side, cause, byClock, score: 0.5, model: 'a@1' },
  }))

describe('the outputs of two topics', () => {
  test('are paired by their cause, the first of each side, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.array(given, { maxLength: 80 }), fc.boolean(), (all, withByClock) => {
        const pairs = pairsOf(all, { ...OPTIONS, withByClock })
        pairs.end()
        const causes = [...new Set(all.map(({ cause }) => cause))].map((cause) => {
          const firstOf = (side: Side) => all.find((o) => o.cause === cause && o.side === side)
          return { main: firstOf('main'), other: firstOf('other') }
        })
        const isLeftOut = (of: (typeof causes)[number]) =>
          !withByClock && (of.main?.byClock === true || of.other?.byClock === true)
        const counted = causes.filter((of) => !isLeftOut(of))
        const complete = counted.filter(({ main, other }) => main && other)
        expect(pairs.count).toBe(complete.length)
        expect(pairs.byClock).toBe(causes.length - counted.length)
        expect(pairs.alone).toEqual({
          main: counted.filter(({ other }) => !other).length,
          other: counted.filter(({ main }) => !main).length,
        })
        const firsts = causes.reduce(
          (n, { main, other }) => n + (main ? 1 : 0) + (other ? 1 : 0),
          0,
        )
        expect(pairs.twice.main + pairs.twice.other).toBe(all.length - firsts)
        for (const { main, other, parity } of pairs.models) {
          const own = complete.filter((of) => of.main?.model === main && of.other?.model === other)
          const sum = own.reduce((s, of) => s + (of.other?.score ?? 0) - (of.main?.score ?? 0), 0)
          expect(parity.result.pairs).toBe(own.length)
          expect(parity.result.meanDifference).toBeCloseTo(sum / own.length, 12)
        }
      }),
    )
  })

  test('that come again after their pair is complete are counted as twice, not as alone', () => {
    const pairs = pairsOf([...both('1'), ...both('1')])
    pairs.end()
    expect(pairs).toMatchObject({ count: 1, twice: { main: 1, other: 1 } })
    expect(pairs.alone).toEqual({ main: 0, other: 0 })
  })

  test('wait for their other one until there are too many newer ones, and are counted then', () => {
    const options = { ...OPTIONS, mostPending: 2 }
    const [early, late] = both('1') as [Given, Given]
    const pairs = pairsOf([early, ...both('2'), ...both('3'), late], options)
    expect(pairs).toMatchObject({ count: 2, givenUp: 1, alone: { main: 1, other: 0 }, waiting: 1 })
    pairs.end()
    expect(pairs).toMatchObject({ count: 2, givenUp: 1, alone: { main: 1, other: 1 }, waiting: 0 })
  })

  test('are forgotten one for each that comes, the oldest first', () => {
    const pairs = new Pairs({ ...OPTIONS, mostPending: 1_000 })
    const scored = { score: 0.5, model: 'a@1', byClock: false }
    for (let i = 0; i < 3_500; i++) pairs.add('main', { cause: String(i), scored })
    expect(pairs).toMatchObject({ givenUp: 2_500, waiting: 1_000 })
    for (let i = 2_500; i < 3_500; i++) pairs.add('other', { cause: String(i), scored })
    pairs.end()
    expect(pairs).toMatchObject({ count: 1_000, alone: { main: 2_500, other: 0 } })
  })

  test('that the clock decided are forgotten like others', () => {
    const [one] = both('1', true) as [Given]
    const pairs = pairsOf([one, ...both('2')], { ...OPTIONS, mostPending: 1 })
    expect(pairs).toMatchObject({ byClock: 1, givenUp: 1, alone: { main: 0, other: 0 } })
  })
})

/** Chunks whose last records have these timestamps. */
async function* chunksAt(...timestamps: readonly number[]): AsyncGenerator<Chunk> {
  for (const timestampMs of timestamps) {
    const record = { offset: 0, timestampMs, key: null, value: null, headers: [] }
    const records = new ListedRecords([record])
    yield { topic: 't', partition: 0, epoch: 0, records, nextOffset: 1, endOffset: 1 }
  }
}

async function orderOf(main: AsyncIterable<Chunk>, other: AsyncIterable<Chunk>) {
  const order: string[] = []
  for await (const { side, chunk } of inStep({ main, other })) {
    order.push(`${side} ${chunk.records.timestampMsAt(0)}`)
  }
  return order
}

describe('two topics', () => {
  test('are read such that the one further behind goes on', async () => {
    expect(await orderOf(chunksAt(10, 20, 30, 40), chunksAt(25, 35))).toEqual([
      'main 10',
      'other 25',
      'main 20',
      'main 30',
      'other 35',
      'main 40',
    ])
  })

  test('are read to their ends, also if one is empty', async () => {
    expect(await orderOf(chunksAt(), chunksAt(1, 2))).toEqual(['other 1', 'other 2'])
    expect(await orderOf(chunksAt(5), chunksAt(1, 2))).toEqual(['main 5', 'other 1', 'other 2'])
  })

  test('fail with what one of them fails with', async () => {
    // oxlint-disable-next-line require-yield -- it fails at once
    async function* broken(): AsyncGenerator<Chunk> {
      throw new Error('gone')
    }
    await expect(orderOf(chunksAt(1, 2), broken())).rejects.toThrow('gone')
  })
})
