import { defineTopology, minutes, onnxModel } from 'tidemark'
import { describe, expect, test } from 'vitest'
import type { DedupeStep, Definition } from '../../src/topology/definition.ts'
import { events, faultsOf, good, MODEL } from './good-topology.ts'

describe('a fault of a dedupe step is found', () => {
  const step: DedupeStep = {
    op: 'dedupe',
    name: 'dedupe',
    by: (e) => (e as { id: string }).id,
    withinMs: 60_000,
    then: good.then,
  }
  const around = (other: Partial<DedupeStep>): Definition => {
    return { ...good, then: [{ ...step, ...other }] }
  }

  test('a good one has none', () => {
    expect(faultsOf(around({}))).toEqual([])
  })

  test('all of them at once', () => {
    expect(faultsOf(around({ by: 'id' as never, withinMs: 0.5 }))).toEqual([
      'TOPOLOGY_INVALID test/dedupe: by must be a function of the event, got string',
      'TOPOLOGY_INVALID test/dedupe: within 0.5 ms must be a whole number above 0',
    ])
  })

  test('a place after a model, or on results of windows', () => {
    const late = defineTopology('late', (t) => {
      const source = events(t)
      const minute = source.tumbling(minutes(1)).aggregate({}, (a) => ({ n: a.count() }))
      const scores = source
        .features((f) => ({ count: f.events({}).rolling(minutes(1)).count() }))
        .score(onnxModel({ ...MODEL, features: ['count'] }))
      return [
        minute.dedupe({ by: (w) => w.key, within: minutes(1) }).sink('minutes'),
        scores.dedupe({ by: (s) => s.model, within: minutes(1) }).sink('out'),
      ]
    })
    expect(faultsOf(late)).toEqual([
      'NOT_SUPPORTED late/dedupe: duplicates among the results of windows',
      'NOT_SUPPORTED late/dedupe-2: duplicates among scores',
    ])
  })
})
