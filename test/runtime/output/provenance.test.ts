import { describe, expect, test } from 'vitest'
import { definitionHash } from '../../../src/runtime/output/provenance.ts'
import type { Scorer } from '../../../src/scoring/scorer.ts'
import type { Definition, FeaturesStep, Step } from '../../../src/topology/definition.ts'
import { withModel } from '../../support/score-steps.ts'
import { scored, scorer } from '../support.ts'

const by = (model: Scorer) => new Map([['m', { scorers: new Map([['m', model]]) }]])
const scorers = by(scorer())

/** The same topology with another key function, whose source text is this one. */
function keyedBy(text: string): Definition {
  const key = Object.assign(() => 'k', { toString: () => text })
  return { ...scored, source: { ...scored.source, key } }
}

function withFeatures(change: (step: FeaturesStep) => Partial<FeaturesStep>): Definition {
  const then = scored.then.map((step): Step => {
    return step.op === 'features' ? { ...step, ...change(step) } : step
  })
  return { ...scored, then }
}

function readFrom(column: number): Definition {
  const outputs = { p: { tensor: 'p', column } }
  const changed = (step: Step): Step => {
    if (step.op === 'sink') return step
    const then = step.then.map(changed)
    return step.op === 'score' ? { ...withModel(step, { outputs }), then } : { ...step, then }
  }
  return { ...scored, then: scored.then.map(changed) }
}

const hash = definitionHash(scored, scorers)

test('tidemark-by is 12 hex digits, the same each time', () => {
  expect(hash).toMatch(/^[0-9a-f]{12}$/)
  expect(definitionHash({ ...scored }, new Map(scorers))).toBe(hash)
})

test('it does not depend on how a loader lays functions out', () => {
  const flat = definitionHash(keyedBy('(e) => { const k = e.key; return k }'), scorers)
  const laidOut = '(e) => {\r\n\tconst k = e.key;\n  return k\n}'
  expect(definitionHash(keyedBy(laidOut), scorers)).toBe(flat)
})

describe('it changes with', () => {
  test.each<[string, Definition]>([
    ['a function', keyedBy('(e) => e.other')],
    [
      'the length of a window',
      withFeatures(({ features }) => ({
        features: features.map((f) => (f.from === 'rolling' ? { ...f, lengthMs: 60_000 } : f)),
      })),
    ],
    [
      'a column that a window sums',
      withFeatures(({ kinds }) => ({
        kinds: kinds.map((k) => ({ ...k, columns: { amount: () => 2 } })),
      })),
    ],
    [
      'which events a kind takes',
      withFeatures(({ kinds }) => ({ kinds: kinds.map((k) => ({ ...k, is: () => true })) })),
    ],
    ['the column that a score is read from', readFrom(1)],
    ['the watermark', { ...scored, source: { ...scored.source, onLate: 'drop' } }],
  ])('%s', (_, definition) => {
    expect(definitionHash(definition, scorers)).not.toBe(hash)
  })

  test('who computes a model', () => {
    const [onCpu, onGpu] = ['cpu', 'cuda'].map((provider) => {
      const evaluator = { by: 'onnxruntime' as const, why: 'as you chose', provider }
      return definitionHash(scored, by({ ...scorer(), evaluator }))
    })
    expect(new Set([hash, onCpu, onGpu]).size).toBe(3)
  })

  test('the bytes of a model', () => {
    const other = { ...scorer(), sha256: 'cd'.repeat(32) }
    expect(definitionHash(scored, by(other))).not.toBe(hash)
  })
})
