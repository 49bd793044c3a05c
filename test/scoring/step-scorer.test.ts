import * as fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { NO_ROWS, type Scorer, type ScorerState } from '../../src/scoring/scorer.ts'
import { StepScorer } from '../../src/scoring/step-scorer.ts'
import type { ScoreStep } from '../../src/topology/definition.ts'
import { scoreFields } from '../../src/topology/score-builder.ts'

afterEach(() => void vi.restoreAllMocks())

const FEATURES = ['amount', 'count', 'sum']
const SMALL = fc.integer({ min: -99, max: 99 })

/** Computes a score from the features that it takes. */
type Compute = (...features: readonly number[]) => number

/** A model that takes some of the features. `asked`: the rows that it was given. */
interface Fake {
  readonly takes: readonly string[]
  readonly of: Compute
  readonly asked?: number[][]
  /** Called before each batch. */
  readonly before?: () => void
  /** Whether it gives answers. @default 'open' */
  readonly state?: () => ScorerState
  /** How long each row takes, ms. @default 0 */
  readonly rowMs?: number
}

function modelNamed(name: string, { takes }: Fake) {
  const file = new URL(`file:///${name}.onnx`)
  const outputs = { p: { tensor: 'p', column: 0 } }
  return { name, version: '1', file, sha256: 'ab', input: 'x', features: takes, outputs }
}

/** A row for which `of` throws has failed. */
function scorerNamed(name: string, { takes, of, asked, before, state, rowMs = 0 }: Fake): Scorer {
  return {
    name,
    label: `${name}@1`,
    sha256: 'ab'.repeat(32),
    evaluator: { by: 'trees' },
    size: { bytes: 0, threads: 0 },
    maxBatch: 100,
    get state() {
      return state?.() ?? 'open'
    },
    answerMs: (rows) => rows * rowMs,
    passOver: () => {},
    score: async (rows, count) => {
      before?.()
      const column = new Float64Array(count).fill(Number.NaN)
      const failed = new Set<number>()
      for (let row = 0; row < count; row++) {
        const own = [...rows.subarray(row * takes.length, (row + 1) * takes.length)]
        asked?.push(own)
        try {
          column[row] = of(...own)
        } catch {
          failed.add(row)
        }
      }
      const isOpen = (state?.() ?? 'open') === 'open'
      const lost = isOpen ? NO_ROWS : new Set(column.keys())
      return { columns: [isOpen ? column : column.fill(Number.NaN)], failed, lost, runMs: 1 }
    },
    close: async () => {},
  }
}

type Several = Pick<ScoreStep, 'missing'> & {
  readonly routes: readonly string[]
  readonly fallback?: string
  readonly fallbackOn?: readonly 'budget'[]
}

function stepOf(
  fakes: Readonly<Record<string, Fake>>,
  { routes, fallback, fallbackOn, missing }: Several,
) {
  const models = Object.entries(fakes).map(
    ([name, fake]) => [name, modelNamed(name, fake)] as const,
  )
  const route = routes.map((to) => ({ to, share: 1, name: `to-${to}` }))
  const otherwise = models[0]?.[0] ?? ''
  const given = { models: Object.fromEntries(models), route, otherwise }
  const { named, ...fields } = scoreFields(
    {
      ...given,
      ...(fallback !== undefined && { fallback }),
      ...(fallbackOn && { fallbackOn }),
    },
    missing === 'nan' ? { missing } : {},
    FEATURES,
  )
  return { ...fields, name: named, then: [] }
}

function scorerOf(fakes: Readonly<Record<string, Fake>>, several: Several, nowMs = () => 0) {
  const scorers = Object.entries(fakes).map(
    ([name, fake]) => [name, scorerNamed(name, fake)] as const,
  )
  vi.spyOn(performance, 'now').mockImplementation(nowMs)
  return new StepScorer(stepOf(fakes, several), new Map(scorers))
}

/** The score and the route of each row, or the fault in it. */
async function told(scorer: StepScorer, rows: readonly number[][], routes?: readonly number[]) {
  const answer = await scorer.score({
    rows: Float32Array.from(rows.flat()),
    count: rows.length,
    ...(routes && { routes: Uint8Array.from(routes) }),
  })
  return rows.map((_, row) => {
    const fault = answer.faults.get(row)
    if (fault !== undefined) return fault.message
    return [answer.columns[0]?.[row], scorer.decisions[answer.decided[row] as number]?.route]
  })
}

const throwing = (): number => {
  throw new Error('no')
}

test('each row is scored by the model of its rule, with its own features, and stays in its place', async () => {
  const fakes = {
    main: { takes: ['amount', 'sum'], of: (a: number, s: number) => a + s },
    premium: { takes: ['sum', 'count', 'amount'], of: (s: number, c: number) => s * c },
    plain: { takes: ['count'], of: (c: number) => -c },
  }
  const several = { routes: ['premium', 'plain'], missing: 'refuse' } as const
  const row = fc.tuple(SMALL, SMALL, SMALL)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(row, fc.nat(2)), { maxLength: 40 }), async (all) => {
      const answers = await told(
        scorerOf(fakes, several),
        all.map(([own]) => [...own]),
        all.map(([, rule]) => rule),
      )
      expect(answers).toEqual(
        all.map(([[amount, count, sum], rule]) => {
          if (rule === 0) return [sum * count, 'to-premium']
          return rule === 1 ? [-count, 'to-plain'] : [amount + sum, 'main']
        }),
      )
    }),
  )
})

test('no model is asked for rows that it does not get', async () => {
  const asked: number[][] = []
  const fakes = {
    main: { takes: ['amount'], of: (a: number) => a },
    other: { takes: ['amount'], of: (a: number) => a, asked },
  }
  const scorer = scorerOf(fakes, { routes: ['other'], missing: 'refuse' })
  await told(
    scorer,
    [
      [1, 0, 0],
      [2, 0, 0],
    ],
    [1, 1],
  )
  expect(asked).toEqual([])
  await told(
    scorer,
    [
      [1, 0, 0],
      [2, 0, 0],
    ],
    [1, 0],
  )
  expect(asked).toEqual([[2]])
})

describe('without a fallback', () => {
  const one = (of: Compute) =>
    scorerOf({ m: { takes: FEATURES, of } }, { routes: [], missing: 'refuse' })

  test('a row on which the model fails is set aside by itself', async () => {
    const scorer = one((a) => (a === 2 ? throwing() : a))
    expect(
      await told(scorer, [
        [1, 0, 0],
        [2, 0, 0],
        [3, 0, 0],
      ]),
    ).toEqual([[1, 'm'], 'model m@1 fails on its features', [3, 'm']])
  })

  test('a score that is not finite sets its own row aside, by name', async () => {
    const scorer = one((a) => 1 / a)
    expect(
      await told(scorer, [
        [0, 0, 0],
        [2, 0, 0],
      ]),
    ).toEqual(['model m@1 gave Infinity for "p"', [0.5, 'm']])
  })
})

describe('a fallback', () => {
  const fakes = (of: Compute, fallback: Compute = (s) => s) => ({
    main: { takes: ['amount'], of },
    spare: { takes: ['sum'], of: fallback },
  })
  const several = { routes: [], fallback: 'spare', missing: 'refuse' } as const

  test('counts a row with each model that it was given to, by what became of it', async () => {
    const of = (a: number) => (a === 2 ? throwing() : a)
    const scorer = scorerOf(fakes(of), { ...several, routes: ['spare'] })
    const rows = Float32Array.of(1, 0, 0, 2, 0, 0, 3, 0, 0)
    const { attempts } = await scorer.score({ rows, count: 3, routes: Uint8Array.of(1, 1, 1) })
    const counted = attempts.map((a) => [scorer.decisions[a.decision]?.route, a.outcome, a.rows])
    expect(counted).toEqual([
      ['main', 'scored', 2],
      ['fallback:score-failed', 'scored', 1],
      ['main', 'score-failed', 1],
    ])
  })

  test('scores the rows that the model fails on or that have no finite score, and no others', async () => {
    const of = (a: number) => (a === 2 ? throwing() : 1 / a)
    const rows = [
      [1, 0, 10],
      [2, 0, 20],
      [0, 0, 30],
      [4, 0, 40],
    ]
    expect(await told(scorerOf(fakes(of), several), rows)).toEqual([
      [1, 'main'],
      [20, 'fallback:score-failed'],
      [30, 'fallback:score-not-finite'],
      [0.25, 'main'],
    ])
  })

  test('that fails as well leaves a dead letter with both reasons', async () => {
    const scorer = scorerOf(fakes(throwing, throwing), several)
    expect(await told(scorer, [[1, 0, 10]])).toEqual([
      'model main@1 fails on its features; its fallback: model spare@1 fails on its features',
    ])
  })

  test('is not asked for a row whose features it lacks', async () => {
    const scorer = scorerOf(fakes(throwing), several)
    expect(
      await told(scorer, [
        [1, 0, Number.NaN],
        [1, 0, 5],
      ]),
    ).toEqual([
      'model main@1 fails on its features; its fallback: feature "sum" is not finite',
      [5, 'fallback:score-failed'],
    ])
  })

  test('scores all rows while a model fails as a whole', async () => {
    const failing = new TidemarkError('MODEL_FAILING', 'main@1 fails')
    const before = () => {
      throw failing
    }
    const own = { ...fakes((a) => a), main: { takes: ['amount'], of: (a: number) => a, before } }
    expect(await told(scorerOf(own, several), [[1, 0, 10]])).toEqual([
      [10, 'fallback:model-failing'],
    ])
    const alone = scorerOf(own, { routes: [], missing: 'refuse' })
    await expect(told(alone, [[1, 0, 10]])).rejects.toBe(failing)
  })

  test('is stamped where a replay, with other batches or at another time, may decide otherwise', () => {
    const { decisions } = scorerOf(fakes(throwing), several)
    expect(decisions.filter((d) => !d.byClock).map(({ route }) => route)).toEqual([
      'main',
      'fallback:score-failed',
      'fallback:score-not-finite',
    ])
  })

  test('takes over for a while after 64 rows in a row without a score, and a batch on trial', async () => {
    const asked: number[][] = []
    let [isBroken, nowMs] = [true, 0]
    const of = (a: number) => (isBroken ? throwing() : a)
    const own = { ...fakes(of), main: { takes: ['amount'], of, asked } }
    const scorer = scorerOf(own, several, () => nowMs)
    const route = async () => ((await told(scorer, [[1, 0, 10]]))[0] as unknown[])[1]
    for (let i = 0; i < 64; i++) expect(await route()).toBe('fallback:score-failed')
    expect(await route()).toBe('fallback:model-open')
    expect(asked).toHaveLength(64)
    nowMs = 1_000
    expect(await route()).toBe('fallback:score-failed')
    nowMs = 2_500
    expect(await route()).toBe('fallback:model-open')
    isBroken = false
    nowMs = 3_000
    expect(await route()).toBe('main')
    expect(await route()).toBe('main')
  })

  test('takes over from a model that has scored none of the few rows of 10 s, one every 2 s', async () => {
    let nowMs = 0
    const scorer = scorerOf(fakes(throwing), several, () => nowMs)
    const routes: unknown[] = []
    for (nowMs of [0, 2_000, 4_000, 6_000, 8_000, 10_000, 10_500]) {
      routes.push(...(await told(scorer, [[1, 0, 10]])).map((row) => (row as unknown[])[1]))
    }
    expect(routes).toEqual([...Array(6).fill('fallback:score-failed'), 'fallback:model-open'])
  })

  test('gets single bad rows among good ones, however rarely rows come', async () => {
    let nowMs = 0
    const of = (a: number) => (a < 0 ? throwing() : a)
    const scorer = scorerOf(fakes(of), several, () => nowMs)
    const routes = new Set<unknown>()
    for (let i = 0; i < 500; i++) {
      nowMs += 100
      const [row] = await told(scorer, [[i % 50 < 20 ? -1 : 1, 0, 10]])
      routes.add((row as unknown[])[1])
    }
    expect([...routes]).toEqual(['fallback:score-failed', 'main'])
  })

  test.each([
    ['hung', 'fallback:model-hung'],
    ['ended', 'fallback:model-ended'],
  ] as const)('scores all rows of a model that is %s, and says why', async (state, route) => {
    const main = { takes: ['amount'], of: Number, state: (): ScorerState => state }
    const own = { ...fakes((a) => a), main }
    const scorer = scorerOf(own, several)
    for (let i = 0; i < 8; i++) expect(await told(scorer, [[1, 0, 10]])).toEqual([[10, route]])
  })

  describe('where the budget is 50 ms', () => {
    const rows = [1, 2, 3, 4].map((a) => [a, 0, 10])
    const scoredIn = (rowMs: number, more: Partial<Several> = {}) => {
      const own = { ...fakes((a) => a), main: { takes: ['amount'], of: Number, rowMs } }
      return told(scorerOf(own, { ...several, ...more }), rows)
    }

    test.each([
      [20, 2],
      [50, 1],
      [60, 0],
    ])(
      'scores what would wait longer: of rows of %i ms each, all but %i',
      async (rowMs, within) => {
        const [soon, late] = [rows.slice(0, within), rows.slice(within)]
        expect(await scoredIn(rowMs, { fallbackOn: ['budget'] })).toEqual([
          ...soon.map(([amount]) => [amount, 'main']),
          ...late.map(() => [10, 'fallback:budget']),
        ])
      },
    )

    test('lets them wait unless the author says otherwise', async () => {
      expect((await scoredIn(20)).at(-1)).toEqual([4, 'main'])
    })
  })

  test('a batch without rows says nothing of a model', async () => {
    const scorer = scorerOf(
      fakes((a) => a),
      several,
    )
    for (let i = 0; i < 8; i++) expect(await told(scorer, [])).toEqual([])
    expect(await told(scorer, [[1, 0, 10]])).toEqual([[1, 'main']])
  })

  test('a batch of which any row could be scored is no failing one', async () => {
    const scorer = scorerOf(
      fakes((a) => (a === 0 ? throwing() : a)),
      several,
    )
    for (let i = 0; i < 20; i++) {
      expect(
        (
          await told(scorer, [
            [0, 0, 1],
            [2, 0, 0],
          ])
        )[1],
      ).toEqual([2, 'main'])
    }
  })
})
