import { defineTopology, describe, type LatencyUse, millis } from 'tidemark'
import { expect, test } from 'vitest'
import { validateTopology } from '../../src/engine/checks.ts'
import { fingerprintOf } from '../../src/runtime/fingerprint.ts'
import { LATENCY_LIMITS } from '../../src/topology/score-options.ts'
import { read } from '../house/pages.ts'
import { model, source } from '../runtime/support.ts'

const topology = (latencyBudget?: LatencyUse | ReturnType<typeof millis>) =>
  defineTopology('scored', (t) =>
    t
      .source('events', source)
      .features((f) => {
        const events = f.events({ amount: (e) => e.amount })
        return { amount: events.value('amount'), sum: events.rolling(millis(10)).sum('amount') }
      })
      .score(model, latencyBudget === undefined ? {} : { latencyBudget })
      .sink('scores'),
  )

const detailOf = (of: ReturnType<typeof topology>) =>
  describe(of).steps.find(({ op }) => op === 'score')?.detail

test('a use gives target and maximum, and half of the target to a batch', () => {
  expect(detailOf(topology('fraud'))).toMatchObject({
    latencyBudgetMs: 25,
    latency: { use: 'fraud', targetMs: 50, maximumMs: 100 },
  })
})

test('a length bounds the batch alone, and nobody waits for a batch job', () => {
  expect(detailOf(topology(millis(20)))).toMatchObject({ latencyBudgetMs: 20 })
  expect(detailOf(topology())).toMatchObject({ latencyBudgetMs: 50 })
  expect(detailOf(topology('batch'))).toMatchObject({ latencyBudgetMs: 1_000 })
  for (const of of [topology(millis(20)), topology(), topology('batch')]) {
    expect(detailOf(of)).not.toHaveProperty('latency')
  }
})

test('windows do not hang on a latency budget', () => {
  expect(fingerprintOf(topology('ads'))).toBe(fingerprintOf(topology()))
})

test('a use that is none is refused', () => {
  const unknown = topology('toString' as LatencyUse)
  expect(validateTopology(unknown).map(({ message }) => message)).toEqual([
    expect.stringMatching(/latencyBudget must be a time or one of fraud, .*batch$/),
  ])
})

test('the page tells every use with its limits', () => {
  const rows = read('docs/models.md').matchAll(/^\| `'(\w+)'` \| (\d*) ?\| (\d*) ?\| (\d+) \|$/gm)
  const told = Array.from(rows, ([, use, target, maximum, batch]) => [use, target, maximum, batch])
  const uses = Object.entries(LATENCY_LIMITS).map(([use, limits]) => [
    use,
    String(limits?.targetMs ?? ''),
    String(limits?.maximumMs ?? ''),
    String(detailOf(topology(use as LatencyUse))?.['latencyBudgetMs']),
  ])
  expect(told).toEqual(uses)
})
