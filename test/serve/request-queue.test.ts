import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ConditionVariable } from '../../src/kernel/condition-variable.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { type Answer, NO_ROWS, type Scorer } from '../../src/scoring/scorer.ts'
import { RequestFault } from '../../src/serve/request-fault.ts'
import { RequestQueue } from '../../src/serve/request-queue.ts'

const PATIENT = { headers: {}, untilMs: Number.POSITIVE_INFINITY, isOver: false }

/** A scorer of two features that returns their sum once it is told to, and the batches it got. */
function heldScorer(maxBatch = 4) {
  const batches: (readonly number[])[] = []
  const runs: { readonly sum: () => void; readonly fail: (error: Error) => void }[] = []
  const begun = new ConditionVariable()
  const score = (rows: Float32Array, count: number) =>
    new Promise<Answer>((resolve, reject) => {
      batches.push([...rows])
      const sums = Float64Array.from({ length: count }, (_, row) => {
        return (rows[2 * row] as number) + (rows[2 * row + 1] as number)
      })
      const answer = { columns: [sums], failed: NO_ROWS, lost: NO_ROWS, runMs: 0 }
      runs.push({ sum: () => resolve(answer), fail: reject })
      begun.notifyAll()
    })
  /** The n-th run, once it has begun. */
  const run = async (n: number) => {
    await begun.until(() => runs.length > n)
    return runs[n] as (typeof runs)[number]
  }
  return { scorer: { maxBatch, score } as unknown as Scorer, batches, run }
}

const rowsOf = (...numbers: number[]) => Float32Array.from(numbers)
const statusOf = (answer: Promise<unknown>) =>
  answer.then(
    () => 200,
    (fault: unknown) => (fault as RequestFault).status,
  )

test('rows that came together are one batch, and those that come meanwhile the next', async () => {
  const { scorer, batches, run } = heldScorer()
  const queue = new RequestQueue(scorer, 2)
  const first = [queue.score(rowsOf(1, 2), PATIENT), queue.score(rowsOf(3, 4, 5, 6), PATIENT)]
  const running = await run(0)
  const second = [queue.score(rowsOf(7, 8), PATIENT), queue.score(rowsOf(9, 10), PATIENT)]
  await nextTurn()
  expect(batches).toEqual([[1, 2, 3, 4, 5, 6]])
  running.sum()
  ;(await run(1)).sum()
  const answers = await Promise.all([...first, ...second])
  expect(batches.slice(1)).toEqual([[7, 8, 9, 10]])
  expect(answers.map(([sums]) => [...(sums as Float64Array)])).toEqual([[3], [7, 11], [15], [19]])
})

test('a batch has at most the rows that the scorer takes, unless one request has more', async () => {
  const { scorer, batches, run } = heldScorer(2)
  const queue = new RequestQueue(scorer, 2)
  const answers = [
    queue.score(rowsOf(1, 1), PATIENT),
    queue.score(rowsOf(2, 2, 2, 2, 2, 2), PATIENT),
    queue.score(rowsOf(3, 3), PATIENT),
  ]
  for (const n of [0, 1, 2]) (await run(n)).sum()
  await Promise.all(answers)
  expect(batches.map(({ length }) => length / 2)).toEqual([1, 3, 1])
})

test('a request that waits too long, or whose client is gone, is not run', async () => {
  const { scorer, batches, run } = heldScorer()
  const queue = new RequestQueue(scorer, 2)
  const first = queue.score(rowsOf(1, 1), PATIENT)
  const running = await run(0)
  const untilMs = performance.now()
  const headers = { 'tidemark-deadline-ms': '1' }
  const late = statusOf(queue.score(rowsOf(2, 2), { ...PATIENT, headers, untilMs }))
  const longest = statusOf(queue.score(rowsOf(2, 2), { ...PATIENT, untilMs }))
  const gone = statusOf(queue.score(rowsOf(3, 3), { ...PATIENT, isOver: true }))
  const last = queue.score(rowsOf(4, 4), PATIENT)
  running.sum()
  ;(await run(1)).sum()
  await Promise.all([first, last])
  expect(batches).toEqual([
    [1, 1],
    [4, 4],
  ])
  expect(await Promise.all([late, longest, gone])).toEqual([504, 503, 499])
})

test('more rows than a few batches are refused, until some are run', async () => {
  const { scorer, run } = heldScorer(1)
  const queue = new RequestQueue(scorer, 2)
  const first = queue.score(rowsOf(0, 0), PATIENT)
  const running = await run(0)
  const waiting = Array.from({ length: 8 }, () => queue.score(rowsOf(1, 1), PATIENT))
  expect(() => queue.score(rowsOf(2, 2), PATIENT)).toThrow(RequestFault)
  running.sum()
  await run(1)
  waiting.push(queue.score(rowsOf(3, 3), PATIENT))
  for (let n = 1; n <= 9; n++) (await run(n)).sum()
  expect(await Promise.all([first, ...waiting])).toHaveLength(10)
})

test('a row without a finite score fails its own request only', async () => {
  const { scorer, run } = heldScorer()
  const queue = new RequestQueue(scorer, 2)
  const good = statusOf(queue.score(rowsOf(1, 1), PATIENT))
  const bad = statusOf(queue.score(rowsOf(3e38, 3e38, Number.POSITIVE_INFINITY, 1), PATIENT))
  ;(await run(0)).sum()
  expect([await good, await bad]).toEqual([200, 422])
})

test.each([
  ['MODEL_FAILING', 422],
  ['MODEL_LOST', 503],
] as const)('%s is answered with %i, and the next rows are run', async (code, status) => {
  const { scorer, run } = heldScorer()
  const queue = new RequestQueue(scorer, 2)
  const failed = statusOf(queue.score(rowsOf(1, 1), PATIENT))
  ;(await run(0)).fail(new TidemarkError(code, 'it fails'))
  expect(await failed).toBe(status)
  const next = queue.score(rowsOf(2, 2), PATIENT)
  ;(await run(1)).sum()
  expect(await statusOf(next)).toBe(200)
})
