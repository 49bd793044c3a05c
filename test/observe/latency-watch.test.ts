import { expect, test } from 'vitest'
import { LatencyWatch } from '../../src/observe/latency-watch.ts'
import type { EventOf } from '../../src/observe/observer.ts'
import { partition, samples, watched } from './events.ts'

const { processed, committed, lost } = samples
/** Limits: 50 and 100 ms. The chunk took 9 ms, of which the windows had 3. */
const chunk = { ...processed, nextOffset: 110 }
const commit = (nextOffset: number) => ({ ...committed, nextOffsets: [{ partition, nextOffset }] })

function watch() {
  let nowMs = 0
  const latency = new LatencyWatch([watched])
  const after = (ms: number, event: EventOf<'processed' | 'committed' | 'lost'>) => {
    nowMs += ms
    if (event.type === 'committed') return latency.committed(event, nowMs)
    if (event.type === 'processed') latency.processed(event, nowMs)
    else latency.lost(event)
    return []
  }
  return after
}

test('what is durable within the target is not told', () => {
  const after = watch()
  after(0, chunk)
  expect(after(41, commit(110))).toEqual([])
})

test('past the target, and past the maximum, it is told with the stage that took longest', () => {
  const after = watch()
  const of = { topology: 'card-fraud', step: 'card-gbdt', stage: 'commit', events: 5 }
  after(0, chunk)
  expect(after(42, commit(110))).toEqual([{ ...of, limit: 'target', limitMs: 50, tookMs: 51 }])
  after(0, chunk)
  expect(after(92, commit(110))).toEqual([{ ...of, limit: 'maximum', limitMs: 100, tookMs: 101 }])
})

test('a stage before the commit is named, and so is what other chunks took', () => {
  const after = watch()
  after(0, { ...chunk, durationMs: 60, stages: { ...chunk.stages, score: 50 } })
  expect(after(1, commit(110))[0]?.stage).toBe('score')
  after(0, { ...chunk, durationMs: 60 })
  expect(after(1, commit(110))[0]?.stage).toBe('queue')
})

test('a chunk is late when its own offset is committed', () => {
  const after = watch()
  after(0, chunk)
  after(0, { ...chunk, nextOffset: 120 })
  expect(after(60, commit(110))).toHaveLength(1)
  expect(after(60, commit(115))).toEqual([])
  expect(after(60, commit(120))[0]).toMatchObject({ limit: 'maximum', tookMs: 189 })
})

test('nothing is told of what was lost, of what was not scored, and of a topology without limits', () => {
  const after = watch()
  after(0, chunk)
  after(0, lost)
  after(0, { ...chunk, outcomes: { ...chunk.outcomes, scored: 0 } })
  after(0, { ...chunk, topology: 'another' })
  expect(after(500, commit(110))).toEqual([])
})
