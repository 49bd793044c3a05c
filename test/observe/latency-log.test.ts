import { expect, test } from 'vitest'
import { latencyLog } from '../../src/observe/latency-log.ts'
import { partition, samples, watched } from './events.ts'

test('late predictions are told once a minute for each limit, with how many they were', () => {
  let nowMs = 0
  const lines: [object, string][] = []
  const warn = (fields: object, message: string) => lines.push([fields, message])
  const log = { debug: warn, info: warn, warn, error: warn }
  const observe = latencyLog(log, [watched], { elapsedMs: () => nowMs })
  const late = (ms: number) => {
    observe({ ...samples.processed, nextOffset: 110 })
    nowMs += ms
    observe({ ...samples.committed, nextOffsets: [{ partition, nextOffset: 110 }] })
  }
  late(60)
  late(60)
  late(200)
  late(60)
  nowMs += 60_000
  late(60)
  const of = { topology: 'card-fraud', step: 'card-gbdt', stage: 'commit' }
  const [target, maximum] = ['target', 'maximum'].map(
    (limit) => `predictions are later than the ${limit} of their latency budget`,
  )
  expect(lines).toEqual([
    [{ ...of, took: '69 ms', target: '50 ms', events: 5 }, target],
    [{ ...of, took: '209 ms', maximum: '100 ms', events: 5 }, maximum],
    [{ ...of, took: '69 ms', target: '50 ms', events: 15 }, target],
  ])
})
