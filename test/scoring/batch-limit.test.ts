import { expect, test } from 'vitest'
import { BatchLimit } from '../../src/scoring/batch-limit.ts'

test('a batch with a bad row halves the limit, down to 32 rows', () => {
  const limit = new BatchLimit()
  const limits: number[] = []
  for (let most = 300; limits.length < 5; most = limit.rows) {
    limit.failed(most)
    limits.push(limit.rows)
  }
  expect(limits).toEqual([150, 75, 37, 32, 32])
})

test('full batches without a bad row raise it by 32 rows each, others say nothing', () => {
  const limit = new BatchLimit()
  limit.failed(256)
  for (const count of [127, 128, 159, 160]) limit.scored(count)
  expect(limit.rows).toBe(192)
})

test('nothing is limited before a row has failed, nor after a batch of which none can be scored', () => {
  const limit = new BatchLimit()
  limit.scored(2_048)
  expect(limit.rows).toBe(Number.POSITIVE_INFINITY)
  limit.failed(64)
  limit.lift()
  expect(limit.rows).toBe(Number.POSITIVE_INFINITY)
})
