import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../support/runs.ts'
import { TriedStore } from './stores.ts'

// A store beside a naive one that keeps everything in one map and waits for each answer.

interface Row {
  readonly spend: number
  readonly atMs: number
}

interface Options {
  readonly freshMs: number
  readonly staleMs: number
  readonly maxAgeMs: number
}

class NaiveStore {
  readonly rows = new Map<string, Row>()
  readonly #known = new Map<string, { row: Row | undefined; askedMs: number }>()
  readonly #o: Options
  requests = 0

  constructor(options: Options) {
    this.#o = options
  }

  look(key: string, nowMs: number, eventMs: number): Row | undefined {
    const { freshMs, staleMs, maxAgeMs } = this.#o
    const known = this.#known.get(key)
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : nowMs - known.askedMs
    const isStale = known?.row !== undefined && ageMs < freshMs + staleMs
    let row = known?.row
    if (ageMs >= freshMs) {
      this.requests++
      const asked = this.rows.get(key)
      this.#known.set(key, { row: asked, askedMs: nowMs })
      if (!isStale) row = asked
    }
    return row === undefined || eventMs - row.atMs > maxAgeMs ? undefined : row
  }
}

const KEYS = ['a', 'b', 'c', 'd']
const key = fc.constantFrom(...KEYS)
const step = fc.oneof(
  fc.record({ set: key, spend: fc.nat(9), backMs: fc.nat(200) }),
  fc.record({ delete: key }),
  fc.record({ passMs: fc.integer({ min: 1, max: 80 }) }),
  fc.record({ look: fc.uniqueArray(key, { minLength: 1 }), backMs: fc.nat(200) }),
)
const options = fc.record({
  freshMs: fc.constantFrom(0, 50, 100),
  staleMs: fc.constantFrom(0, 60),
  maxAgeMs: fc.constantFrom(100, Number.POSITIVE_INFINITY),
})

test('rows, and how often they are asked for, are those of the naive store', async () => {
  await fc.assert(
    fc.asyncProperty(
      options,
      fc.array(step, { minLength: 10, maxLength: 60 }),
      async (o, steps) => {
        const at = (row: unknown) => (row as Row).atMs
        const tried = new TriedStore({ ...o, at })
        const naive = new NaiveStore(o)
        const [seen, right]: [unknown[], unknown[]] = [[], []]
        for (const one of steps) {
          const nowMs = tried.clock.nowMs()
          if ('set' in one) {
            const row = { spend: one.spend, atMs: nowMs - one.backMs }
            tried.rows.set(one.set, row)
            naive.rows.set(one.set, row)
          } else if ('delete' in one) {
            tried.rows.delete(one.delete)
            naive.rows.delete(one.delete)
          } else if ('passMs' in one) tried.pass(one.passMs)
          else {
            const eventMs = nowMs - one.backMs
            const rows = await tried.look(one.look, eventMs)
            await nextTurn()
            seen.push(rows)
            right.push(one.look.map((name) => naive.look(name, nowMs, eventMs)))
          }
        }
        expect(seen).toEqual(right)
        const asked = tried.asked.reduce((sum, keys) => sum + keys.length, 0)
        expect(asked).toBe(naive.requests)
      },
    ),
    { numRuns: runs(200) },
  )
})
