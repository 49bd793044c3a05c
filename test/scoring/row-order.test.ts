import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { readGolden } from '../../src/scoring/golden.ts'
import { columnToSortBy, SortedRunner } from '../../src/scoring/measured-runner.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { type Runner, readingOf, SessionRunner } from '../../src/scoring/runner.ts'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'
import { sampleRows } from '../../src/scoring/warm-up.ts'
import { runs } from '../support/runs.ts'
import { cardModel, goldenOf } from './support.ts'

const WIDTH = 3
const AMOUNT = 0

/** Returns each row's own numbers and records the batches. */
function echo(): Runner & { readonly batches: Float32Array[] } {
  const batches: Float32Array[] = []
  return {
    batches,
    run: (rows, count) => {
      batches.push(rows)
      const column = (c: number) =>
        Float64Array.from({ length: count }, (_, i) => rows[i * WIDTH + c] as number)
      return Promise.resolve([column(0), column(1), column(2)])
    },
    close: () => Promise.resolve(),
  }
}

/** Any float32, including both zeros, infinities and NaN. */
const anyRows = fc
  .array(fc.tuple(fc.float(), fc.float(), fc.float()), { minLength: 1, maxLength: 80 })
  .map((all) => Float32Array.from(all.flat()))

describe('sorted rows', () => {
  it('return each row its own scores, in the original order', async () => {
    await fc.assert(
      fc.asyncProperty(anyRows, fc.nat(WIDTH - 1), async (given, column) => {
        const count = given.length / WIDTH
        const scores = await new SortedRunner(echo(), column).run(given, count)
        expect(scores).toEqual(await echo().run(given, count))
      }),
    )
  })

  it('reach the model in ascending order of one column; equal values keep their order', async () => {
    const runner = echo()
    const given = [3, 1, 0, -2, 2, 0, 3, 3, 0, -0.5, 4, 0, Number.NEGATIVE_INFINITY, 5, 0]
    await new SortedRunner(runner, AMOUNT).run(Float32Array.from(given), 5)
    const order = [...(runner.batches[0] ?? [])].filter((_, i) => i % WIDTH === 1)
    expect(order).toEqual([5, 2, 4, 1, 3])
  })

  it('leave the original rows unchanged', async () => {
    const given = Float32Array.from([2, 0, 0, 1, 0, 0])
    await new SortedRunner(echo(), AMOUNT).run(given, 2)
    expect([...given]).toEqual([2, 0, 0, 1, 0, 0])
  })
})

describe('a model', () => {
  const model = cardModel('card-gbdt')
  const bytes = readFileSync(model.file)
  const reading = readingOf(model)
  let plain: Runner
  let thread: ThreadRunner
  let sample: Float32Array
  beforeAll(async () => {
    plain = new SessionRunner(await OnnxSession.load(bytes), reading)
    thread = await ThreadRunner.start('m@1', { bytes, reading })
    thread.sortBy(AMOUNT)
    sample = sampleRows(model.features.length, await readGolden(goldenOf('card-gbdt'), 'here'))
  })
  afterAll(async () => {
    await plain.close()
    await thread.close()
  })

  it('returns the same bits for sorted rows, inline and on a thread, in any batch', async () => {
    const batch = fc.record({ from: fc.nat(1_000), count: fc.integer({ min: 1, max: 1_000 }) })
    await fc.assert(
      fc.asyncProperty(
        batch,
        fc.nat(model.features.length - 1),
        async ({ from, count }, column) => {
          const width = model.features.length
          const some = sample.subarray(from * width, (from + count) * width)
          const expected = await plain.run(some, count)
          expect(await new SortedRunner(plain, column).run(some, count)).toEqual(expected)
          expect(await thread.run(some, count)).toEqual(expected)
        },
      ),
      { numRuns: runs(30) },
    )
  })
})

describe('the column to sort by', () => {
  // The clock is moved by the runners only, so that other load on the machine has no effect.
  let nowMs = 0
  beforeEach(() => {
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
  })
  afterEach(() => void vi.restoreAllMocks())

  /** Takes the longer, the more often the column decreases from one row to the next. */
  function slowWhenMixed(column: number): Runner {
    return {
      run: (rows, count) => {
        let turns = 0
        for (let i = 1; i < count; i++) {
          if ((rows[i * WIDTH + column] as number) < (rows[(i - 1) * WIDTH + column] as number))
            turns++
        }
        nowMs += 1 + turns * 0.01
        return Promise.resolve([new Float64Array(count)])
      },
      close: () => Promise.resolve(),
    }
  }
  const sample = sampleRows(WIDTH, null)

  it('is the one that makes a batch fastest', async () => {
    for (const column of [0, 2]) {
      const cost = { baseMs: 1, rowMs: 0.005 }
      expect(await columnToSortBy(slowWhenMixed(column), sample, cost)).toBe(column)
    }
  })

  it('is none for a model whose speed does not depend on the order', async () => {
    const same = echo()
    const runner: Runner = {
      run: (rows, count) => {
        nowMs++
        return same.run(rows, count)
      },
      close: () => same.close(),
    }
    expect(await columnToSortBy(runner, sample, { baseMs: 1, rowMs: 0 })).toBeNull()
    expect(same.batches.length).toBeGreaterThan(WIDTH)
  })

  it('is not looked for if a batch takes long', async () => {
    const runner = echo()
    expect(await columnToSortBy(runner, sample, { baseMs: 0, rowMs: 1 })).toBeNull()
    expect(runner.batches).toEqual([])
  })

  it('is looked for only among the first columns if there is no time for all', async () => {
    const cost = { baseMs: 30, rowMs: 0 }
    expect(await columnToSortBy(slowWhenMixed(1), sample, cost)).toBe(1)
    expect(await columnToSortBy(slowWhenMixed(2), sample, cost)).toBeNull()
  })
})
