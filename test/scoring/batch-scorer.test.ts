import { describe, expect, it } from 'vitest'
import { BatchScorer, type Lane } from '../../src/scoring/batch-scorer.ts'
import type { Runner } from '../../src/scoring/runner.ts'

/** Scores a row by its first feature; keeps a diary; a run ends when it is let go. */
class Diary implements Runner {
  readonly lines: string[] = []
  #letGo: (() => void)[] = []

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    this.lines.push(`run ${count}`)
    await new Promise<void>((resolve) => this.#letGo.push(resolve))
    this.lines.push(`ran ${count}`)
    return [Float64Array.from({ length: count }, (_, i) => rows[2 * i] as number)]
  }

  /** Lets runs end, one after the other, until there are no more. */
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

/** All that needs no timer and no I/O has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function scorer(...lanes: Lane[]): BatchScorer {
  return new BatchScorer({ name: 'm', label: 'm@1', sha256: '', features: 2, columns: 1 }, lanes)
}

function rowsOf(...firsts: number[]): Float32Array {
  return Float32Array.from(firsts.flatMap((first) => [first, 0]))
}

describe('a batch scorer', () => {
  it('cuts a batch that is too large and joins the scores in order', async () => {
    const runner = new Diary()
    const scores = scorer({ rows: 2, runner }).score(rowsOf(1, 2, 3, 4, 5), 5)
    await runner.letAllGo()
    expect([...((await scores)[0] as Float64Array)]).toEqual([1, 2, 3, 4, 5])
    expect(runner.lines).toEqual(['run 2', 'ran 2', 'run 2', 'ran 2', 'run 1', 'ran 1'])
  })

  it('runs nothing for an empty batch', async () => {
    const runner = new Diary()
    const scores = await scorer({ rows: 2, runner }).score(new Float32Array(0), 0)
    expect(scores).toEqual([new Float64Array(0)])
    expect(runner.lines).toEqual([])
  })

  it('gives a batch to the first lane that takes its size', async () => {
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

  it('runs what came in one turn of the event loop together', async () => {
    const runner = new Diary()
    const one = scorer({ rows: 4, runner })
    const all = [
      one.score(rowsOf(1), 1),
      Promise.resolve().then(() => one.score(rowsOf(2), 1)),
      one.score(rowsOf(3), 1),
    ]
    await runner.letAllGo()
    const scores = (await Promise.all(all)).map((s) => [...(s[0] as Float64Array)])
    expect(scores).toEqual([[1], [2], [3]])
    expect(runner.lines).toEqual(['run 3', 'ran 3'])
  })

  it('runs what came meanwhile together, and gives each caller its own scores', async () => {
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
    const scores = (await Promise.all(all)).map((s) => [...(s[0] as Float64Array)])
    expect(scores).toEqual([[1], [2], [3, 4], [5, 6, 7]])
    expect(runner.lines).toEqual(['run 1', 'ran 1', 'run 4', 'ran 4', 'run 2', 'ran 2'])
  })

  it('a run that fails fails all its callers, whatever of theirs still waits, and nobody else', async () => {
    let runs = 0
    const runner: Runner = {
      run: (rows, count) => {
        runs++
        if (rows[0] === 2) return Promise.reject(new Error('no'))
        return Promise.resolve([
          Float64Array.from({ length: count }, (_, i) => rows[2 * i] as number),
        ])
      },
      close: () => Promise.resolve(),
    }
    const one = scorer({ rows: 2, runner })
    const first = one.score(rowsOf(1), 1)
    await settled()
    const all = [
      first,
      one.score(rowsOf(2), 1),
      one.score(rowsOf(3, 4, 5), 3),
      one.score(rowsOf(6), 1),
    ]
    const settledAll = await Promise.allSettled(all)
    expect(settledAll.map((s) => s.status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(runs).toBe(3)
  })

  it('fails a batch whose run failed with SCORE_FAILED, and goes on', async () => {
    let broken = true
    const runner: Runner = {
      run: (_, count) =>
        broken ? Promise.reject(new Error('no')) : Promise.resolve([new Float64Array(count)]),
      close: () => Promise.resolve(),
    }
    const one = scorer({ rows: 8, runner })
    await expect(one.score(rowsOf(1, 2), 2)).rejects.toMatchObject({
      code: 'SCORE_FAILED',
      message: 'm@1 failed on a batch of 2: no',
    })
    broken = false
    expect(await one.score(rowsOf(1), 1)).toEqual([new Float64Array(1)])
  })

  it('closes after what runs and what waits, and takes nothing more', async () => {
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
