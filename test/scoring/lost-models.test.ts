import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { loadScorers } from '../../src/scoring/models.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { threadsInRun } from '../../src/scoring/thread-runner.ts'
import { until } from '../services/cluster.ts'
import { cardModel, useOf } from './support.ts'

// Real threads: one that hangs in ONNX Runtime, and one that ends.

/** The sum of its features. Above a million, it takes long: see make.py. */
const model = cardModel('hangs', {
  features: ['first', 'second'],
  outputs: { score: { tensor: 'score', column: 0 } },
})
/** Counts to a million, which takes half a second or more. */
const LONG = 1_000_100

const threads: Worker[] = []
const onThread = (worker: Worker) => void threads.push(worker)

async function loaded(hasFallback: boolean): Promise<Scorer> {
  process.on('worker', onThread)
  const use = useOf(model, { latencyBudgetMs: 100, hasFallback })
  const { scorers, faults } = await loadScorers([use], new Map())
  process.off('worker', onThread)
  expect(faults).toEqual([])
  return scorers.get('score') as Scorer
}

afterEach(() => void threads.splice(0))

describe('a guarded model', () => {
  it('that hangs answers before its run returns, and is run again after that', async () => {
    const scorer = await loaded(true)
    const hung = await scorer.score(Float32Array.of(LONG, 0), 1)
    const next = await scorer.score(Float32Array.of(1, 2), 1)
    expect([hung, next].map(({ lost }) => [...lost])).toEqual([[0], [0]])
    expect(scorer.state).toBe('hung')
    expect(threadsInRun()).toBe(1)
    await until('open', () => scorer.state === 'open')
    const after = await scorer.score(Float32Array.of(1, 2), 1)
    expect([after.lost.size, after.columns[0]?.[0]]).toEqual([0, 3])
    await scorer.close()
    expect(threadsInRun()).toBe(0)
  })

  it('whose thread has ended answers nothing any more', async () => {
    const scorer = await loaded(true)
    const [thread] = threads as [Worker]
    void thread.terminate()
    await once(thread, 'exit')
    const answer = await scorer.score(Float32Array.of(1, 2), 1)
    expect([...answer.lost]).toEqual([0])
    expect(scorer.state).toBe('ended')
    await scorer.close()
  })
})
