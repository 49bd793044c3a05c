import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type About, BatchScorer } from '../../src/scoring/batch-scorer.ts'
import { FollowingLane } from '../../src/scoring/lanes.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { chooseVariant, inWords, soonEnough } from '../../src/scoring/step-models.ts'
import { StepScorer } from '../../src/scoring/step-scorer.ts'
import { isEligible, rankedVariants, type Variant } from '../../src/topology/graph.ts'
import type { ModelDefinition } from '../../src/topology/models.ts'
import { stepOf, timed, withVariants } from '../support/variants.ts'

const step = stepOf(withVariants())
/** The identity of a model of the tests. */
const own: About = {
  name: 'deep',
  label: 'deep@1',
  sha256: '',
  evaluator: { by: 'trees' },
  size: { bytes: 0, threads: 0 },
}

/** The step with other variants, of these accuracies, in the author's order. */
function stepWith(accuracies: readonly number[], measure: 'auc' | 'mae', least: number | null) {
  const model = step.models['deep'] as ModelDefinition
  const names = accuracies.map((_, i) => `v${i}`)
  const models = Object.fromEntries(
    accuracies.map((value, i) => [
      `v${i}`,
      { ...model, name: `v${i}`, accuracy: { [measure]: value, rows: 1 } as never },
    ]),
  )
  return { ...step, models, variants: { names, minAccuracy: least, adapt: false } }
}

test('the variant that is chosen is the most accurate that is fast and accurate enough, the first of equal ones', () => {
  const some = fc.record({ accuracy: fc.constantFrom(0.5, 0.7, 0.9), ms: fc.integer({ max: 30 }) })
  const all = fc.record({
    of: fc.array(fc.oneof(some, fc.record({ accuracy: fc.constant(0.8), ms: fc.constant(null) }))),
    measure: fc.constantFrom('auc' as const, 'mae' as const),
    least: fc.constantFrom(null, 0.6, 0.8),
  })
  fc.assert(
    fc.property(all, ({ of, measure, least }) => {
      const asStated = stepWith(
        of.map((v) => v.accuracy),
        measure,
        least,
      )
      const tried = rankedVariants(asStated)
        .filter((model) => isEligible(model, asStated))
        .map((model) => {
          const ms = of[Number(model.name.slice(1))]?.ms ?? null
          return { model, scorer: ms === null ? null : { answerMs: () => ms } }
        })
      const chosen = chooseVariant(tried, 20)?.model.name ?? null

      let best: number | null = null
      for (const [i, { accuracy, ms }] of of.entries()) {
        const isGood = least === null || (measure === 'auc' ? accuracy >= least : accuracy <= least)
        if (!isGood || ms === null || ms > 20) continue
        const before = best === null ? null : (of[best]?.accuracy as number)
        const isBetter =
          before === null || (measure === 'auc' ? accuracy > before : accuracy < before)
        if (isBetter) best = i
      }
      expect(chosen).toBe(best === null ? null : `v${best}`)
    }),
  )
})

test('a variant is told with its accuracy and its times, and with what keeps it out', () => {
  const model = step.models['deep'] as Variant
  const scorer = { answerMs: (rows: number) => 0.1234 + rows }
  expect(inWords({ model, scorer }, 40)).toBe('deep@1 (auc 0.95): 1 row 1.1 ms, 32 rows 32 ms')
  expect(inWords({ model, scorer }, 20)).toBe(
    'deep@1 (auc 0.95): 1 row 1.1 ms, 32 rows 32 ms, longer than 20 ms',
  )
  expect(inWords({ model, scorer: null, why: 'MODEL_FILE, no such file' }, 20)).toBe(
    'deep@1 (auc 0.95): MODEL_FILE, no such file',
  )
})

describe('a step that chooses for each batch', () => {
  const adapting = stepOf(withVariants({ adapt: true }))
  const rows = (count: number) => ({ rows: new Float32Array(count * 2), count })

  /** The deep one takes 1 ms a row, the gbdt 0.1 ms, the mlp 0.01 ms, with what waits before. */
  function scorers(waiting: { rows: number }) {
    return new Map(
      [['deep', 1] as const, ['gbdt', 0.1] as const, ['mlp', 0.01] as const].map(([name, ms]) => [
        name,
        timed(name, (count) => (waiting.rows + count) * ms),
      ]),
    )
  }

  test('asks the most accurate variant that answers within the budget, and comes back to it', async () => {
    const waiting = { rows: 0 }
    const scorer = new StepScorer(adapting, scorers(waiting))
    const route = async (count: number) => {
      const { decided } = await scorer.score(rows(count))
      const [first = 0] = decided
      expect(decided).toEqual(new Uint8Array(count).fill(first))
      return scorer.decisions[first]
    }
    expect(await route(20)).toMatchObject({ route: 'variant:deep', byClock: true })
    expect(await route(21)).toMatchObject({ route: 'variant:gbdt', scorer: { label: 'gbdt@1' } })
    waiting.rows = 1_000
    expect((await route(1))?.route).toBe('variant:mlp')
    waiting.rows = 0
    expect((await route(1))?.route).toBe('variant:deep')
  })

  test('asks the one that answers soonest where none answers within the budget', () => {
    const times = [30, 22, 25].map((ms) => ({ answerMs: () => ms }))
    expect(soonEnough(times, { rows: 1, budgetMs: 20 })).toBe(1)
    expect(soonEnough(times, { rows: 1, budgetMs: 26 })).toBe(1)
    expect(soonEnough(times, { rows: 1, budgetMs: 30 })).toBe(0)
  })

  test('scores with one of them alone when that is settled', async () => {
    const scorer = new StepScorer(adapting, scorers({ rows: 0 }))
    scorer.settleFor('gbdt')
    expect((await scorer.score(rows(3))).decided).toEqual(new Uint8Array(3))
    expect(scorer.decisions).toMatchObject([{ route: 'gbdt', byClock: false }])
    expect([...scorer.scorers.keys()]).toEqual(['gbdt'])
  })
})

test('the time of an answer counts the run in flight, and the batches of what waits before it', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const runner = { run: () => new Promise<never>(() => {}), close: () => Promise.resolve() }
  const identity = { ...own, features: 1, columns: 1 }
  const lane = (rows: number, baseMs: number) => ({ rows, runner, cost: { baseMs, rowMs: 1 } })
  const scorer = new BatchScorer(identity, [lane(2, 1), lane(10, 5)])
  expect(scorer.answerMs(1)).toBe(2)
  expect(scorer.answerMs(3)).toBe(8)
  expect(scorer.answerMs(22)).toBe(15 + 15 + 3)
  void scorer.score(new Float32Array(20), 20)
  expect(scorer.answerMs(2)).toBe(15 + 15 + 3)
  await new Promise((resolve) => setImmediate(resolve))
  // 10 rows are run, 10 wait.
  expect(scorer.answerMs(2)).toBe(15 + 15 + 3)
  vi.advanceTimersByTime(9)
  expect(scorer.answerMs(2)).toBe(6 + 15 + 3)
  vi.advanceTimersByTime(90)
  expect(scorer.answerMs(2)).toBe(15 + 3)
})

test('a variant that was slow for a moment is tried now and then, and comes back', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const runs = { ms: 1 }
  const run = async (_: Float32Array, rows: number) => {
    vi.advanceTimersByTime(runs.ms)
    return [new Float64Array(rows)]
  }
  const runner = { run, close: () => Promise.resolve() }
  const cost = { baseMs: 1, rowMs: 0 }
  const lane = new FollowingLane({ runner, cost, withinMs: 20, rows: 2_048 })
  const identity = { label: own.label, features: 2, columns: 1 }
  const deep = Object.assign(new BatchScorer(identity, [lane]), own)
  const mlp = timed('mlp', () => 0)
  const scorers = new Map<string, Scorer>([
    ['deep', deep],
    ['mlp', mlp],
  ])
  const scorer = new StepScorer(stepOf(withVariants({ adapt: true })), scorers)
  /** By which variant each of some batches was scored. */
  const routes = async (batches: number) => {
    const by: string[] = []
    for (let i = 0; i < batches; i++) {
      const { decided } = await scorer.score({ rows: new Float32Array(2), count: 1 })
      by.push(scorer.decisions[decided[0] as number]?.scorer.name ?? '')
    }
    return by
  }
  expect(new Set(await routes(10))).toEqual(new Set(['deep']))
  runs.ms = 60
  const slow = await routes(3_000)
  const left = slow.indexOf('mlp')
  expect(left).toBeGreaterThan(0)
  expect(left).toBeLessThan(10)
  const tried = slow.slice(left).filter((name) => name === 'deep').length
  expect(tried).toBeGreaterThan(0)
  expect(tried).toBeLessThan(50)
  runs.ms = 1
  expect((await routes(3_000)).at(-1)).toBe('deep')
})
