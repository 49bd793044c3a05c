import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineTopology, millis, minutes, redis, type StoreOptions, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Refused } from '../../../src/kernel/errors.ts'
import { startDriver } from '../../support/driver.ts'
import { type TestChoices as Choices, prepare } from '../../support/in-process.ts'
import { ROOT } from '../../support/paths.ts'
import { cardRows } from './card-cache.ts'
import { model, models } from './merchants.ts'

// Stores through the whole runtime, with rows of the test.

const Payment = z.object({
  card: z.string(),
  merchant: z.string().nullable(),
  amount: z.number(),
  at: z.number(),
})
const Profile = z.object({ risk: z.number() })
type Options = Partial<StoreOptions<typeof Profile>>

const AT = Date.UTC(2026, 0, 1)
const paid = (merchant: string | null, more: Partial<z.infer<typeof Payment>> = {}) => {
  return { card: 'c', merchant, amount: 1, at: AT, ...more }
}

function scoredWith(options: Options, { missing = 'nan' }: { missing?: 'nan' | 'refuse' } = {}) {
  return defineTopology('scores', (t) => {
    const profiles = t.store('profiles', {
      schema: Profile,
      from: redis({ key: (id) => `profile:${id}` }),
      ...options,
    })
    return t
      .source('payments', {
        schema: Payment,
        key: (p) => p.card,
        eventTimeMs: (p) => p.at,
        watermark: { lag: minutes(10), maxAhead: 'none' },
        onLate: 'dead-letter',
      })
      .features((f) => {
        const payments = f.events({ amount: (p) => p.amount })
        const profile = payments.lookup(profiles, (p) => p.merchant)
        return { amount: payments.value('amount'), risk: profile.value((r) => r.risk) }
      })
      .score(model, missing === 'nan' ? { missing } : {})
      .map((s) => ({ risk: s.features.risk, isDegraded: s.degraded, row: s.lookup.profiles }))
      .sink('scores')
  })
}

test('gives the rows of a batch with one request; without a key there is no row', async () => {
  const topology = scoredWith({ fallback: { risk: -1 } })
  const driver = await startDriver(topology, { models, stores: { profiles: { a: { risk: 0.5 } } } })
  await driver.pipe([paid('a'), paid('b'), paid(null), paid('a')])
  const row = { risk: 0.5 }
  expect(driver.outputs('scores').map(({ value }) => value)).toEqual([
    { risk: 0.5, isDegraded: false, row },
    { risk: -1, isDegraded: false, row: { risk: -1 } },
    { risk: null, isDegraded: false },
    { risk: 0.5, isDegraded: false, row },
  ])
})

test('an output without its row says which store did not give it, and why', async () => {
  const topology = scoredWith({ fallback: { risk: -1 }, deadline: millis(20) })
  const driver = await startDriver(topology, { models, stores: { profiles: { a: { risk: 0.5 } } } })
  driver.store('profiles').delay(millis(50))
  await driver.pipe(paid('a'))
  driver.store('profiles').delay(millis(0))
  driver.store('profiles').fail()
  await driver.pipe([paid('a'), paid(null)])
  driver.store('profiles').fail(false)
  await driver.pipe(paid('a'))
  const seen = driver.outputs('scores').map(({ value, headers }) => {
    return [
      value.risk,
      value.isDegraded,
      headers['tidemark-degraded'],
      headers['tidemark-by-clock'],
    ]
  })
  expect(seen).toEqual([
    [-1, true, 'profiles=deadline', 'true'],
    [-1, true, 'profiles=unavailable', 'true'],
    [null, false, undefined, undefined],
    [0.5, false, undefined, undefined],
  ])
  expect(driver.outcomes.scored).toBe(4)
})

test('a replay asks nothing', async () => {
  const asked: string[][] = []
  const topology = scoredWith({
    from: {
      getMany: async (keys) => {
        asked.push([...keys])
        return keys.map(() => ({ risk: 0.5 }))
      },
    },
  })
  const driver = await startDriver(topology, { models })
  await driver.pipe([paid('a'), paid('b')])
  await driver.crash()
  await driver.restart()
  await driver.pipe(paid('c'))
  expect(asked).toEqual([['a', 'b'], ['c']])
  expect(driver.outputs('scores')).toHaveLength(3)
})

test('a row that is written back is there after a restart', async () => {
  const topology = scoredWith({
    onMiss: async (key) => ({ risk: key.length }),
    writeBack: { ttl: minutes(5) },
  })
  const driver = await startDriver(topology, { models })
  await driver.pipe(paid('abc'))
  expect(driver.store('profiles').rows.get('abc')).toEqual({ risk: 3 })
  driver.store('profiles').rows.set('abc', { risk: 4 })
  await driver.restart()
  await driver.pipe(paid('abc'))
  expect(driver.outputs('scores').map(({ value }) => value.risk)).toEqual([3, 4])
})

test('asks for no event that is late, or that no step takes', async () => {
  const asked: string[] = []
  const topology = defineTopology('large', (t) => {
    const profiles = t.store('profiles', {
      schema: Profile,
      from: {
        getMany: async (keys) => {
          asked.push(...keys)
          return keys.map(() => ({ risk: 1 }))
        },
      },
    })
    return t
      .source('payments', {
        schema: Payment,
        key: (p) => p.card,
        eventTimeMs: (p) => p.at,
        watermark: { lag: seconds(1), maxAhead: 'none' },
        onLate: 'drop',
      })
      .map((p) => ({ ...p, name: `m-${p.merchant}` }))
      .features((f) => {
        const payments = f.events({})
        return {
          amount: payments.value((p) => p.amount),
          risk: payments.lookup(profiles, (p) => p.name).value((r) => r.risk),
        }
      })
      .where((p) => p.amount > 10)
      .sink('rows')
  })
  const driver = await startDriver(topology)
  await driver.pipe([
    paid('a', { amount: 11 }),
    paid('b'),
    paid('c', { amount: 12, at: AT - 1_001 }),
    paid('d', { amount: 12 }),
  ])
  expect(asked).toEqual(['m-a', 'm-d'])
  expect(driver.outputs('rows').map(({ value }) => value.features.risk)).toEqual([1, 1])
})

describe('is refused', () => {
  const faultsOf = async (
    topology: Parameters<typeof prepare>[0][number],
    choices: Choices = {},
  ) => {
    const thrown: unknown = await prepare([topology], choices).catch((error: unknown) => error)
    return thrown instanceof Refused ? thrown.faults.map(({ message }) => message) : []
  }
  const later = { systems: 'later' } as const

  test('without a fallback, where the model takes no NaN', async () => {
    expect(await faultsOf(scoredWith({}, { missing: 'refuse' }), later)).toEqual([
      'store "profiles" has no fallback, and the model takes no NaN',
    ])
  })

  test('with a fallback that lacks what a feature reads', async () => {
    expect(await faultsOf(scoredWith({ fallback: {} }, { missing: 'refuse' }), later)).toEqual([
      'the fallback of store "profiles" gives no number for it',
    ])
  })

  test('without the address of Redis', async () => {
    expect(await faultsOf(scoredWith({}))).toEqual(['it needs Redis'])
  })

  test('with every mistake in its options, at once', async () => {
    const given = {
      fresh: millis(-1),
      stale: Number.NaN,
      deadline: millis(0),
      maxEntries: 0,
      maxAge: minutes(1),
      writeBack: { ttl: millis(0) },
      from: redis({ fields: ['risk', 'risk'], key: (id, field) => id + field }),
    } as Options
    expect(await faultsOf(scoredWith(given), later)).toEqual([
      'fresh must be a duration of 0 ms or more, got -1',
      'stale must be a duration of 0 ms or more, got NaN',
      'deadline must be a duration above 0 ms, got 0',
      'writeBack.ttl must be a duration above 0 ms, got 0',
      'maxEntries must be a whole number from 1, got 0',
      'maxAge needs at',
      'writeBack needs onMiss: there is nothing else to write',
      'fields has risk twice',
    ])
  })
})

describe('the cache of docs/stores.md', () => {
  test('stands there as it is tested', () => {
    const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
    expect(read('docs/stores.md')).toContain(read('test/runtime/tables/card-cache.ts'))
  })

  test('takes features from Redis, and computes and writes back those that are missing', async () => {
    const asked: unknown[] = []
    const topology = cardRows(async (card, missing) => {
      asked.push([card, missing])
      return Object.fromEntries(missing.map((name) => [name, 7]))
    })
    const stores = { cards: { a: { spend30d: 1, count7d: 2 }, b: { spend30d: 3 } } }
    const driver = await startDriver(topology, { stores })
    await driver.pipe(['a', 'b', 'c', 'a'].map((card) => ({ card, amount: 1, at: AT })))
    const rows = driver.outputs('rows').map(({ value: { features } }) => {
      return [features.spend30d, features.count7d, features.spend1h]
    })
    expect(rows).toEqual([
      [1, 2, 1],
      [3, 7, 1],
      [7, 7, 1],
      [1, 2, 2],
    ])
    expect(asked).toEqual([
      ['b', ['count7d']],
      ['c', ['spend30d', 'count7d']],
    ])
    expect(driver.store('cards').rows.get('b')).toEqual({ spend30d: 3, count7d: 7 })
  })
})
