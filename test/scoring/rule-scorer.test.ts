import { rule } from 'tidemark'
import { expect, test } from 'vitest'
import { ruleScorer } from '../../src/scoring/rule-scorer.ts'
import type { RuleDefinition } from '../../src/topology/models.ts'

type Of = (f: { amount: number; count: number }) => { p: number; risk: number }

function scorer(of: Of, features = ['amount', 'count']) {
  const made = rule({ outputs: ['p', 'risk'], version: '3' }, of)
  return ruleScorer('rules', made as unknown as RuleDefinition, features)
}

test('a rule computes its outputs from the features by name, row by row', async () => {
  const of = scorer(({ amount, count }) => ({ risk: count, p: amount / count }))
  const answer = await of.score(Float32Array.of(1, 2, 6, 3), 2)
  expect(answer.columns.map((column) => [...column])).toEqual([
    [0.5, 2],
    [2, 3],
  ])
  expect([of.name, of.label, of.evaluator.by, answer.failed.size]).toEqual([
    'rules',
    'rules@3',
    'function',
    0,
  ])
})

test('a row on which it throws, or for which it has no number, has failed by itself', async () => {
  const of = scorer(({ amount }) => {
    if (amount === 2) throw new Error('no')
    return { p: amount, risk: amount === 3 ? ('high' as unknown as number) : 0 }
  })
  const { failed, errors } = await of.score(Float32Array.of(1, 0, 2, 0, 3, 0, 4, 0), 4)
  expect([...failed]).toEqual([1, 2])
  // The error is named, and not told: it may contain features.
  expect([...(errors ?? [])].map(([row, { code, message }]) => [row, code, message])).toEqual([
    [1, 'SCORE_FAILED', 'rule rules@3 threw Error'],
    [2, 'SCORE_FAILED', 'rule rules@3 threw TypeError'],
  ])
})

test('its hash is that of its source, whatever the layout', () => {
  const plain: Of = (f) => ({ p: f.amount, risk: 1 })
  const laidOut: Of = (g) => {
    return { p: g.amount, risk: 1 }
  }
  const other: Of = (f) => ({ p: f.amount, risk: 2 })
  expect(scorer(laidOut).sha256).toBe(scorer(plain).sha256)
  expect(scorer(other).sha256).not.toBe(scorer(plain).sha256)
  expect(scorer(plain).sha256).toMatch(/^[0-9a-f]{64}$/)
})
