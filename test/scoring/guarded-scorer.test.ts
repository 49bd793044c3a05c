import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { BatchScorer } from '../../src/scoring/batch-scorer.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import type { Answer } from '../../src/scoring/scorer.ts'

// Time is that of fake timers.

const BUDGET_MS = 100

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Returns its rows when it is told to; every run with a negative row fails. */
class Stubborn implements Runner {
  readonly sizes: number[] = []
  readonly #returns: (() => void)[] = []

  run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    this.sizes.push(count)
    const isBad = rows.some((row) => row < 0)
    return new Promise((resolve, reject) => {
      const scores = [Float64Array.from(rows)]
      this.#returns.push(() => (isBad ? reject(new Error('no')) : resolve(scores)))
    })
  }

  /** Lets the oldest run in flight return. */
  async letReturn(): Promise<void> {
    this.#returns.shift()?.()
    await vi.advanceTimersByTimeAsync(0)
  }

  async close(): Promise<void> {}
}

function guarded(runner: Runner, rows = 8): BatchScorer {
  const own = { name: 'm', label: 'm@1', sha256: '' }
  const evaluator = { by: 'onnxruntime', why: 'as you chose' } as const
  const size = { bytes: 0, threads: 1 }
  const identity = { ...own, evaluator, size, features: 1, columns: 1, guardMs: BUDGET_MS }
  return new BatchScorer(identity, [{ rows, runner, cost: { baseMs: 0, rowMs: 1 } }])
}

/** Asks for the scores of rows; the answer is `null` until it is there. */
function ask(scorer: BatchScorer, ...rows: number[]): { answer: Answer | null } {
  const asked: { answer: Answer | null } = { answer: null }
  void scorer.score(Float32Array.from(rows), rows.length).then((answer) => (asked.answer = answer))
  return asked
}

const shown = ({ answer }: { answer: Answer | null }) =>
  answer && { scores: [...(answer.columns[0] ?? [])], lost: [...answer.lost] }

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('a guarded model', () => {
  it('that hangs: its rows and those that wait are given up after two budgets', async () => {
    const scorer = guarded(new Stubborn())
    const inRun = ask(scorer, 1, 2)
    await pass(50)
    const waiting = ask(scorer, 3)
    await pass(2 * BUDGET_MS - 51)
    expect([inRun.answer, waiting.answer]).toEqual([null, null])
    await pass(2)
    expect(shown(inRun)).toEqual({ scores: [Number.NaN, Number.NaN], lost: [0, 1] })
    expect(shown(waiting)).toEqual({ scores: [Number.NaN], lost: [0] })
    expect(scorer.state).toBe('hung')
  })

  it('that hangs after rows have waited: they are given up two budgets after they were asked for', async () => {
    const runner = new Stubborn()
    const scorer = guarded(runner)
    ask(scorer, 1)
    await pass(0)
    const waited = ask(scorer, 2)
    await pass(60)
    await runner.letReturn()
    await pass(2 * BUDGET_MS - 61)
    expect(waited.answer).toBeNull()
    await pass(2)
    expect(shown(waited)).toEqual({ scores: [Number.NaN], lost: [0] })
  })

  it('has a budget for each run, however long its rows have waited', async () => {
    const runner = new Stubborn()
    const scorer = guarded(runner, 1)
    const asked = ask(scorer, 1, 2, 3)
    for (let run = 0; run < 3; run++) {
      await pass(BUDGET_MS - 1)
      await runner.letReturn()
    }
    expect(shown(asked)).toEqual({ scores: [1, 2, 3], lost: [] })
    expect(scorer.state).toBe('open')
  })

  it('answers at once while it hangs, and takes batches again when the run returns', async () => {
    const runner = new Stubborn()
    const scorer = guarded(runner)
    const first = ask(scorer, 1)
    await pass(2 * BUDGET_MS + 1)
    const meanwhile = ask(scorer, 2)
    await pass(0)
    expect(shown(meanwhile)).toEqual({ scores: [Number.NaN], lost: [0] })
    await runner.letReturn()
    expect(scorer.state).toBe('open')
    const after = ask(scorer, 3)
    await pass(0)
    await runner.letReturn()
    expect(shown(after)).toEqual({ scores: [3], lost: [] })
    // The score that came too late has changed nothing.
    expect(shown(first)).toEqual({ scores: [Number.NaN], lost: [0] })
  })

  it('keeps the scores that had come back, of a request of several batches', async () => {
    const runner = new Stubborn()
    const scorer = guarded(runner, 2)
    const asked = ask(scorer, 1, 2, 3, 4, 5)
    await pass(0)
    await runner.letReturn()
    await pass(2 * BUDGET_MS + 1)
    const NONE = Number.NaN
    expect(shown(asked)).toEqual({ scores: [1, 2, NONE, NONE, NONE], lost: [2, 3, 4] })
  })

  it('stops the search for bad rows when the time is over', async () => {
    const runner = new Stubborn()
    const scorer = guarded(runner)
    const asked = ask(scorer, 1, -2, 3, 4)
    await pass(0)
    await runner.letReturn()
    await pass(2 * BUDGET_MS + 1)
    expect(asked.answer?.lost.size).toBe(4)
    await runner.letReturn()
    expect(runner.sizes).toEqual([4, 2])
    expect(scorer.state).toBe('open')
  })

  it('whose thread has ended: these rows and all later ones are lost', async () => {
    const run = () => Promise.reject(new TidemarkError('MODEL_LOST', 'the thread has ended'))
    const scorer = guarded({ run, close: async () => {} })
    const asked = [ask(scorer, 1)]
    await pass(0)
    asked.push(ask(scorer, 2))
    await pass(0)
    expect(asked.map((one) => one.answer?.lost.size)).toEqual([1, 1])
    expect(scorer.state).toBe('ended')
  })

  it('is closed without waiting for the run that hangs', async () => {
    const scorer = guarded(new Stubborn())
    ask(scorer, 1)
    await pass(2 * BUDGET_MS + 1)
    await expect(scorer.close()).resolves.toBeUndefined()
  })
})

it('closing waits for a run in flight, 5 s at most', async () => {
  const size = { bytes: 0, threads: 0 }
  const own = { name: 'm', label: 'm@1', sha256: '', evaluator: { by: 'trees' } as const, size }
  const lane = { rows: 8, runner: new Stubborn(), cost: { baseMs: 0, rowMs: 1 } }
  const scorer = new BatchScorer({ ...own, features: 1, columns: 1 }, [lane])
  ask(scorer, 1)
  await pass(0)
  const closed = vi.fn<() => void>()
  void scorer.close().then(closed)
  await pass(4_999)
  expect(closed).not.toHaveBeenCalled()
  await pass(2)
  expect(closed).toHaveBeenCalledOnce()
})
