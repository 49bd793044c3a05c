import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { wallClock } from '../../src/kernel/clock.ts'
import { NOW_MS, short, TriedStore } from './stores.ts'

const never = () => new Promise<void>(() => undefined)

describe('what is in memory', () => {
  test('is used while it is fresh, then while it is asked for behind, then not', async () => {
    const tried = new TriedStore(short, { a: { spend: 1 } })
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    tried.rows.set('a', { spend: 2 })
    tried.pass(999)
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    expect(tried.asked).toHaveLength(1)
    tried.pass(1)
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    await nextTurn()
    expect(tried.asked).toHaveLength(2)
    expect(await tried.look(['a'])).toEqual([{ spend: 2 }])
    tried.rows.set('a', { spend: 3 })
    tried.pass(2_000)
    expect(await tried.look(['a'])).toEqual([{ spend: 3 }])
    expect(tried.counts()).toEqual({ found: 5, fresh: 2, stale: 1, missed: 2 })
  })

  test('includes that a key has no row, while that is fresh, and no longer', async () => {
    const tried = new TriedStore(short)
    expect(await tried.look(['a'])).toEqual([undefined])
    tried.rows.set('a', { spend: 1 })
    tried.pass(999)
    expect(await tried.look(['a'])).toEqual([undefined])
    tried.pass(1)
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    expect(tried.asked).toEqual([['a'], ['a']])
    expect(tried.counts()).toEqual({ absent: 2, found: 1, fresh: 1, missed: 2 })
  })

  test('is nothing where rows are never fresh', async () => {
    const tried = new TriedStore({}, { a: { spend: 1 } })
    await tried.look(['a'])
    await tried.look(['a'])
    expect(tried.asked).toHaveLength(2)
    expect(tried.store.bytes).toBe(0)
  })

  test('has at most so many rows: those unused for longest go, to within 10 s', async () => {
    const tried = new TriedStore({ freshMs: 60_000, maxEntries: 2 }, { a: { spend: 1 } })
    await tried.look(['a', 'b'])
    tried.pass(10_000)
    await tried.look(['a', 'c'])
    await tried.look(['a', 'b'])
    expect(tried.asked).toEqual([['a', 'b'], ['c'], ['b']])
  })
})

describe('a request', () => {
  test('asks once for a key that two batches need at the same time', async () => {
    const tried = new TriedStore({}, { a: { spend: 1 }, b: { spend: 2 } })
    const both = await Promise.all([tried.look(['a', 'b']), tried.look(['b', 'c'])])
    expect(both).toEqual([
      [{ spend: 1 }, { spend: 2 }],
      [{ spend: 2 }, undefined],
    ])
    expect(tried.asked).toEqual([['a', 'b'], ['c']])
  })

  test('that is late gives substitutes at the deadline, and rows for later', async () => {
    const tried = new TriedStore(
      { ...short, fallback: { spend: 0 } },
      { a: { spend: 1 }, b: { spend: 2 } },
    )
    await tried.look(['b'])
    let answered = () => {}
    tried.answer = () => new Promise((resolve) => (answered = resolve))
    const looked = tried.look(['a', 'b'])
    tried.pass(20)
    expect(await looked).toEqual(['deadline', { spend: 2 }])
    answered()
    await nextTurn()
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    expect(tried.asked).toEqual([['b'], ['a']])
    expect(tried.counts()).toMatchObject({ degraded: 1, found: 3 })
  })

  test('that could not be read before the deadline, because this process was busy, is in time', async () => {
    const tried = new TriedStore({}, { a: { spend: 1 } }, wallClock)
    tried.answer = async () => {
      await nextTurn()
      await nextTurn()
    }
    const looked = tried.look(['a'])
    const untilMs = performance.now() + 3 * 20
    while (performance.now() < untilMs);
    expect(await looked).toEqual([{ spend: 1 }])
  })

  test('that fails gives substitutes at once, and is repeated by the next', async () => {
    const tried = new TriedStore(short, { a: { spend: 1 } })
    tried.answer = () => {
      throw new TypeError('gone')
    }
    expect(await tried.look(['a'])).toEqual(['unavailable'])
    tried.answer = () => undefined
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    expect(tried.reports.map(({ error }) => error)).toEqual(['TypeError', null])
  })

  test('is not made while too many before it have failed, but for one on trial', async () => {
    const tried = new TriedStore({}, { a: { spend: 1 } })
    tried.answer = () => {
      throw new Error('gone')
    }
    for (let i = 0; i < 70; i++) expect(await tried.look(['a'])).toEqual(['unavailable'])
    expect(tried.asked).toHaveLength(64)
    expect(tried.failing).toEqual(['gone'])
    tried.pass(1_000)
    expect(await tried.look(['a'])).toEqual(['unavailable'])
    tried.answer = () => undefined
    expect(await tried.look(['a'])).toEqual(['unavailable'])
    tried.pass(2_000)
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    expect(tried.failing).toEqual(['gone', null])
  })

  test('is not made either when all over ten deadlines, one after the other, had no answer', async () => {
    const tried = new TriedStore({}, {})
    tried.answer = never
    for (let i = 0; i < 15; i++) {
      const looked = tried.look([`${i}`])
      tried.pass(20)
      await looked
    }
    expect(tried.asked).toHaveLength(11)
    expect(tried.failing).toEqual(['no answer within the deadline'])
  })

  test('on trial that nothing waits for and nothing answers is followed by another', async () => {
    const tried = new TriedStore({ ...short, staleMs: 60_000 }, { a: { spend: 1 } })
    await tried.look(['a'])
    tried.answer = () => {
      throw new Error('gone')
    }
    for (let i = 0; i < 64; i++) await tried.look([`${i}`])
    tried.answer = never
    tried.pass(1_000)
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    tried.answer = () => undefined
    tried.pass(3_000)
    expect(await tried.look(['b'])).toEqual([undefined])
  })

  test('without any answer is given up, and others are made', async () => {
    const tried = new TriedStore({}, { a: { spend: 1 } })
    tried.answer = never
    const looked = tried.look(['a'])
    tried.pass(20)
    expect(await looked).toEqual(['deadline'])
    tried.answer = () => undefined
    tried.pass(1_000)
    await nextTurn()
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
  })
})

describe('a row', () => {
  const at = (row: unknown) => (row as { atMs: number }).atMs

  test('older than the greatest age before its event is none; a later one is used', async () => {
    const row = { spend: 1, atMs: NOW_MS }
    const tried = new TriedStore({ ...short, at, maxAgeMs: 60_000 }, { a: row })
    expect(await tried.look(['a'], NOW_MS + 60_000)).toEqual([row])
    expect(await tried.look(['a'], NOW_MS + 60_001)).toEqual([undefined])
    expect(await tried.look(['a'], NOW_MS - 1)).toEqual([row])
    expect(tried.counts()).toMatchObject({ found: 1, expired: 1, ahead: 1 })
  })

  test('that the schema refuses, or whose time is none, is none', async () => {
    const rows = { a: { spend: 'much' }, b: { spend: 1 }, c: 3 }
    const tried = new TriedStore({ at, fallback: { spend: 0 } }, rows)
    expect(await tried.look(['a', 'b', 'c'])).toEqual([{ spend: 0 }, { spend: 0 }, { spend: 0 }])
    expect(tried.reports[0]).toMatchObject({ invalid: 3, error: null })
  })

  test('that is missing is computed, kept, and written back', async () => {
    const computed: string[] = []
    const tried = new TriedStore({
      ...short,
      onMiss: async (key) => {
        computed.push(key)
        return key === 'none' ? null : { spend: 5 }
      },
      writeBackMs: 300_000,
    })
    expect(await tried.look(['a', 'none'])).toEqual([{ spend: 5 }, undefined])
    expect(await tried.look(['a', 'none'])).toEqual([{ spend: 5 }, undefined])
    expect(computed).toEqual(['a', 'none'])
    expect(tried.written).toEqual([
      { rows: [{ key: 'a', value: { spend: 5 }, fields: [] }], ttlMs: 300_000 },
    ])
    expect(tried.reports[0]).toMatchObject({ error: null })
  })

  test('that is expired is computed anew, once', async () => {
    let computed = 0
    const onMiss = async () => ({ spend: ++computed, atMs: NOW_MS })
    const old = { spend: 0, atMs: NOW_MS - 100 }
    const tried = new TriedStore({ ...short, at, maxAgeMs: 50, onMiss }, { a: old })
    expect(await tried.look(['a'], NOW_MS - 60)).toEqual([old])
    expect(await tried.look(['a'])).toEqual([{ spend: 1, atMs: NOW_MS }])
    expect(await tried.look(['a'], NOW_MS + 60)).toEqual([undefined])
    expect(computed).toBe(1)
  })

  test.each([
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['gives what the schema refuses', async () => ({ spend: 'much' })],
  ])('is a substitute where what computes it %s', async (_, onMiss) => {
    const tried = new TriedStore({ ...short, onMiss, writeBackMs: 1_000 })
    expect(await tried.look(['a'])).toEqual(['failed'])
    expect(tried.written).toEqual([])
    expect(tried.reports[0]).toMatchObject({ error: 'onMiss' })
  })

  test('that was computed is written nowhere unless that is asked for', async () => {
    const tried = new TriedStore({ onMiss: async () => ({ spend: 5 }) })
    expect(await tried.look(['a'])).toEqual([{ spend: 5 }])
    expect(tried.written).toEqual([])
  })

  test('that is stale stays where it cannot be computed anew', async () => {
    const onMiss = () => Promise.reject(new Error('no'))
    const tried = new TriedStore({ ...short, onMiss }, { a: { spend: 1 } })
    await tried.look(['a'])
    tried.rows.delete('a')
    tried.pass(1_500)
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
    await nextTurn()
    expect(tried.reports.at(-1)).toMatchObject({ error: 'onMiss' })
    expect(await tried.look(['a'])).toEqual([{ spend: 1 }])
  })

  test('that takes too long to compute is a substitute', async () => {
    const onMiss = async (key: string) => {
      if (key === 'slow') await never()
      return { spend: 1 }
    }
    const tried = new TriedStore({ ...short, onMiss })
    const looked = tried.look(['a', 'slow'])
    await nextTurn()
    tried.pass(20)
    expect(await looked).toEqual([{ spend: 1 }, 'deadline'])
  })
})

describe('a row of fields', () => {
  const from = {
    connector: 'redis',
    options: { key: (key: string, field: string) => `${key}:${field}`, fields: ['spend', 'atMs'] },
  }

  test('computes only those that are missing, and writes only these', async () => {
    const asked: unknown[] = []
    const tried = new TriedStore(
      {
        from,
        onMiss: async (key, missing) => {
          asked.push([key, missing])
          return Object.fromEntries(missing.map((field) => [field, 7]))
        },
        writeBackMs: 1_000,
      },
      { a: { spend: 1 }, b: { spend: 1, atMs: 2 } },
    )
    expect(await tried.look(['a', 'b', 'c'])).toEqual([
      { spend: 1, atMs: 7 },
      { spend: 1, atMs: 2 },
      { spend: 7, atMs: 7 },
    ])
    expect(asked).toEqual([
      ['a', ['atMs']],
      ['c', ['spend', 'atMs']],
    ])
    expect(tried.written).toMatchObject([
      {
        rows: [
          { key: 'a', value: { atMs: 7 }, fields: ['atMs'] },
          { key: 'c', fields: ['spend', 'atMs'] },
        ],
      },
    ])
  })

  test('has the fallback for the others, if nothing computes them', async () => {
    const tried = new TriedStore({ from, fallback: { spend: 0 } }, { a: { atMs: 2 }, b: {} })
    expect(await tried.look(['a', 'b'])).toEqual([{ spend: 0, atMs: 2 }, { spend: 0 }])
  })
})
