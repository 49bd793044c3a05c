import { afterEach, describe, expect, it, vi } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { BatchScorer } from '../../src/scoring/batch-scorer.ts'
import type { Lane } from '../../src/scoring/lanes.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import type { Scores } from '../../src/scoring/scorer.ts'
import { thrownBy } from '../support/thrown.ts'

/** Scores a row by its first feature, logs its runs, and finishes a run when it is released. */
class Diary implements Runner {
  readonly lines: string[] = []
  #letGo: (() => void)[] = []

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    this.lines.push(`run ${count}`)
    await new Promise<void>((resolve) => this.#letGo.push(resolve))
    this.lines.push(`ran ${count}`)
    return [Float64Array.from({ length: count }, (_, i) => rows[2 * i] as number)]
  }

  /** Releases runs one after the other until there are no more. */
  async letAllGo(): Promise<void> {
    await settled()
    while (this.#letGo.length > 0) {
      this.#letGo.shift()?.()
      await settled()
    }
  }

  close(): Promise<void> {
    this.lines.push('close')
    return Promise.resolve()
  }
}

const SECRET = 'idx=60'

/** Scores a row by its first feature, and fails as a whole when one of the rows is bad. */
class Brittle implements Runner {
  readonly #isBad: (row: number) => boolean

  constructor(isBad: (row: number) => boolean) {
    this.#isBad = isBad
  }

  run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const firsts = Float64Array.from({ length: count }, (_, i) => rows[2 * i] as number)
    return firsts.some(this.#isBad)
      ? Promise.reject(new Error(`${SECRET} is out of bounds`))
      : Promise.resolve([firsts])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Waits until everything has happened that needs no timer and no I/O. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function scorer(...lanes: Omit<Lane, 'cost'>[]): BatchScorer {
  const size = { bytes: 0, threads: 0 }
  const own = { name: 'm', label: 'm@1', sha256: '', evaluator: { by: 'trees' } as const, size }
  const identity = { ...own, features: 2, columns: 1 }
  const cost = { baseMs: 1, rowMs: 1 }
  return new BatchScorer(
    identity,
    lanes.map((lane) => Object.assign(Object.create(lane), { cost })),
  )
}

const numbersOf = ({ columns }: Scores) => [...(columns[0] as Float64Array)]

function rowsOf(...firsts: number[]): Float32Array {
  return Float32Array.from(firsts.flatMap((first) => [first, 0]))
}

afterEach(() => {
  vi.restoreAllMocks()
})

/** Takes a given time for a run, by a clock that nothing else moves. */
function slowRunner(ms: number): Runner {
  let nowMs = 0
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
  return {
    run: async (rows, count) => {
      await settled()
      nowMs += ms
      return [Float64Array.from({ length: count }, (_, i) => rows[2 * i] as number)]
    },
    close: async () => {},
  }
}

describe('a batch scorer', () => {
  it('reports to a lane how long its runs took, and splits batches by its current limit', async () => {
    const ran: [number, number][] = []
    const lane = {
      rows: 4,
      runner: slowRunner(40),
      ran(rows: number, ms: number) {
        ran.push([rows, ms])
        lane.rows = 2
      },
    }
    const one = scorer(lane)
    await one.score(rowsOf(1, 2, 3, 4, 5, 6, 7), 7)
    expect(ran.map(([rows]) => rows)).toEqual([4, 2, 1])
    expect(ran.map(([, ms]) => ms)).toEqual([40, 40, 40])
    expect(one.maxBatch).toBe(2)
  })

  it('returns how long the runs of rows took, without the time that they queued', async () => {
    const one = scorer({ rows: 2, runner: slowRunner(40) })
    const asked = [[1, 2], [3], [4, 5]].map((rows) => one.score(rowsOf(...rows), rows.length))
    const answers = await Promise.all(asked)
    // [1, 2] [3, 4] [5]: the last ones wait for the first, and are in two runs.
    expect(answers.map(({ runMs }) => runMs)).toEqual([40, 40, 80])
  })

  it('splits a batch that is too large and joins the scores in order', async () => {
    const runner = new Diary()
    const scores = scorer({ rows: 2, runner }).score(rowsOf(1, 2, 3, 4, 5), 5)
    await runner.letAllGo()
    expect(numbersOf(await scores)).toEqual([1, 2, 3, 4, 5])
    expect(runner.lines).toEqual(['run 2', 'ran 2', 'run 2', 'ran 2', 'run 1', 'ran 1'])
  })

  it('runs nothing for an empty batch', async () => {
    const runner = new Diary()
    const scores = await scorer({ rows: 2, runner }).score(new Float32Array(0), 0)
    expect(numbersOf(scores)).toEqual([])
    expect(runner.lines).toEqual([])
  })

  it('gives a batch to the first lane that is large enough', async () => {
    const small = new Diary()
    const large = new Diary()
    const both = scorer({ rows: 1, runner: small }, { rows: 3, runner: large })
    const all: Promise<unknown>[] = []
    for (const rows of [[1], [1, 2], [1, 2, 3, 4]]) {
      all.push(both.score(rowsOf(...rows), rows.length))
      await settled()
    }
    await Promise.all([small.letAllGo(), large.letAllGo()])
    await Promise.all(all)
    expect(both.maxBatch).toBe(3)
    expect(small.lines).toEqual(['run 1', 'ran 1', 'run 1', 'ran 1'])
    expect(large.lines).toEqual(['run 2', 'ran 2', 'run 3', 'ran 3'])
  })

  it('runs rows that arrive in one turn of the event loop together', async () => {
    const runner = new Diary()
    const one = scorer({ rows: 4, runner })
    const all = [
      one.score(rowsOf(1), 1),
      Promise.resolve().then(() => one.score(rowsOf(2), 1)),
      one.score(rowsOf(3), 1),
    ]
    await runner.letAllGo()
    const scores = (await Promise.all(all)).map(numbersOf)
    expect(scores).toEqual([[1], [2], [3]])
    expect(runner.lines).toEqual(['run 3', 'ran 3'])
  })

  it('runs rows that arrive during a run together, and returns each caller its own scores', async () => {
    const runner = new Diary()
    const one = scorer({ rows: 4, runner })
    const first = one.score(rowsOf(1), 1)
    await settled()
    const all = [
      first,
      one.score(rowsOf(2), 1),
      one.score(rowsOf(3, 4), 2),
      one.score(rowsOf(5, 6, 7), 3),
    ]
    await runner.letAllGo()
    const scores = (await Promise.all(all)).map(numbersOf)
    expect(scores).toEqual([[1], [2], [3, 4], [5, 6, 7]])
    expect(runner.lines).toEqual(['run 1', 'ran 1', 'run 4', 'ran 4', 'run 2', 'ran 2'])
  })

  it('scores each caller alone after their common batch has failed', async () => {
    const runner = new Brittle((row) => row < 0)
    const one = scorer({ rows: 8, runner })
    const all = await Promise.all([
      one.score(rowsOf(1, 2), 2),
      one.score(rowsOf(3, -1, 4), 3),
      one.score(rowsOf(5), 1),
    ])
    expect(all.map(numbersOf)).toEqual([[1, 2], [3, Number.NaN, 4], [5]])
    expect(all.map(({ failed }) => [...failed])).toEqual([[], [1], []])
  })

  it('does so for a caller with more rows than a batch can have', async () => {
    const one = scorer({ rows: 4, runner: new Brittle((row) => row < 0) })
    const scores = await one.score(rowsOf(1, 2, 3, 4, 5, -1, 7, 8, -2), 9)
    expect([...scores.failed]).toEqual([5, 8])
    expect(numbersOf(scores)).toEqual([1, 2, 3, 4, 5, Number.NaN, 7, 8, Number.NaN])
  })

  it('makes smaller batches after one with a bad row, and larger ones again', async () => {
    const one = scorer({ rows: 128, runner: new Brittle((row) => row < 0) })
    await one.score(rowsOf(-1), 1)
    expect(one.maxBatch).toBe(64)
    await one.score(rowsOf(...Array.from({ length: 64 }, (_, i) => i)), 64)
    expect(one.maxBatch).toBe(96)
  })

  it('scores what it can when bad rows fill a whole batch, but not all of them', async () => {
    const one = scorer({ rows: 16, runner: new Brittle((row) => row < 0) })
    const rows = rowsOf(...Array.from({ length: 48 }, (_, i) => (i < 16 ? 1 : -1)))
    expect((await one.score(rows, 48)).failed.size).toBe(32)
  })

  it('rejects only the caller, who may retry, when a model fails on all of its rows', async () => {
    let isBroken = true
    const one = scorer({ rows: 64, runner: new Brittle((row) => isBroken && row < 0) })
    const bad = rowsOf(...Array.from({ length: 16 }, () => -1))
    const [failing, others] = await Promise.allSettled([
      one.score(bad, 16),
      one.score(rowsOf(1), 1),
    ])
    expect(failing).toMatchObject({ status: 'rejected', reason: { code: 'MODEL_FAILING' } })
    expect(String((failing as PromiseRejectedResult).reason)).not.toContain(SECRET)
    expect(others).toMatchObject({ status: 'fulfilled' })
    isBroken = false
    expect(numbersOf(await one.score(bad, 16))).toHaveLength(16)
  })

  it('rejects all callers, with their waiting rows, when the runner has failed permanently', async () => {
    let runs = 0
    const runner: Runner = {
      run: () => {
        runs++
        return Promise.reject(new TidemarkError('INVARIANT', 'the thread has ended'))
      },
      close: () => Promise.resolve(),
    }
    const one = scorer({ rows: 2, runner })
    const all = [one.score(rowsOf(1), 1), one.score(rowsOf(2, 3, 4), 3)]
    const codes = await Promise.all(all.map(async (of) => (await thrownBy(of)).code))
    expect(codes).toEqual(['INVARIANT', 'INVARIANT'])
    expect(runs).toBe(1)
  })

  it('closes after all running and waiting rows, and accepts no more', async () => {
    const runner = new Diary()
    const one = scorer({ rows: 8, runner })
    const running = one.score(rowsOf(1), 1)
    await settled()
    const all = [running, one.score(rowsOf(1, 2), 2)]
    const closed = one.close()
    await expect(one.score(rowsOf(1), 1)).rejects.toMatchObject({ code: 'INVARIANT' })
    await runner.letAllGo()
    await Promise.all([...all, closed, one.close()])
    expect(runner.lines).toEqual(['run 1', 'ran 1', 'run 2', 'ran 2', 'close'])
  })
})
