import * as fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readGolden } from '../../src/scoring/golden.ts'
import { chooseLanes } from '../../src/scoring/lanes.ts'
import { ModelCache } from '../../src/scoring/model-cache.ts'
import type { OpenedModel, Runner } from '../../src/scoring/runner.ts'
import {
  CostFit,
  dependsOnBatch,
  LARGEST_BATCH,
  measureCost,
  rowsWithin,
  sampleRows,
} from '../../src/scoring/warm-up.ts'
import { goldenOf } from './support.ts'

afterEach(() => void vi.restoreAllMocks())

const cost = fc.record({
  baseMs: fc.double({ min: 0.001, max: 10, noNaN: true }),
  rowMs: fc.double({ min: 0.0001, max: 10, noNaN: true }),
})

describe('the cost of a batch', () => {
  it('is recovered from exact times', () => {
    fc.assert(
      fc.property(cost, ({ baseMs, rowMs }) => {
        const points = [1, 8, 64, 256].map((rows) => ({ rows, ms: baseMs + rowMs * rows }))
        const fit = new CostFit(points).cost
        for (const rows of [1, 256]) {
          expect(fit.baseMs + fit.rowMs * rows).toBeCloseTo(baseMs + rowMs * rows, 6)
        }
      }),
    )
  })

  it('is proportional to the rows when only one size was measured', () => {
    expect(new CostFit([{ rows: 4, ms: 20 }]).cost).toEqual({ baseMs: 0, rowMs: 5 })
  })

  it('has no negative part, whatever the noise', () => {
    const times = fc.array(fc.double({ min: 0.001, max: 100, noNaN: true }), {
      minLength: 4,
      maxLength: 4,
    })
    fc.assert(
      fc.property(times, (ms) => {
        const points = [1, 8, 64, 256].map((rows, i) => ({ rows, ms: ms[i] as number }))
        const fit = new CostFit(points).cost
        expect(fit.baseMs).toBeGreaterThanOrEqual(0)
        expect(fit.rowMs).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})

describe('a machine that is busy with something else', () => {
  /** A run takes 1 ms of CPU time and 0.1 ms more a row; wall-clock time is ten times that. */
  it('makes a model slow in wall-clock time, but not in CPU time', async () => {
    let cpuMs = 0
    vi.spyOn(performance, 'now').mockImplementation(() => 10 * cpuMs)
    vi.spyOn(process, 'cpuUsage').mockImplementation(() => ({ user: cpuMs * 1_000, system: 0 }))
    const runner: Runner = {
      run: async (_, count) => {
        cpuMs += 1 + 0.1 * count
        return [new Float64Array(count)]
      },
      close: async () => {},
    }
    const { cpu, elapsed } = await measureCost(runner, new Float32Array(LARGEST_BATCH))
    expect(cpu.baseMs + cpu.rowMs).toBeCloseTo(1.1)
    expect(elapsed.baseMs + elapsed.rowMs).toBeCloseTo(11)
  })

  it('causes a note and no refusal', async () => {
    const [cpu, elapsed] = [
      { baseMs: 1, rowMs: 1 },
      { baseMs: 5, rowMs: 1 },
    ]
    const opened: OpenedModel = {
      signature: { inputs: [], outputs: [] },
      measure: async () => ({ cpu, elapsed }),
      run: async (_, count) => [new Float64Array(count)],
      close: async () => {},
    }
    const { notes, lanes } = await chooseLanes(
      { runner: opened, isInline: true, isAlone: true, openOther: async () => opened },
      {
        ...{ label: 'm@1', where: 'step', latencyBudgetMs: 3 },
        ...{ isGuarded: false, isBackground: false },
        sample: new Float32Array(LARGEST_BATCH),
        cache: new ModelCache(null),
        dependsOn: {},
      },
    )
    expect(notes[0]).toMatch(
      /^m@1 took 6 ms of wall-clock time for one row, .*: the machine is busy$/,
    )
    expect(lanes[0]?.rows).toBe(1)
  })
})

describe('the rows that fit into a time', () => {
  it('fit, and one more would not', () => {
    fc.assert(
      fc.property(
        cost,
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        ({ baseMs, rowMs }, ms) => {
          const rows = rowsWithin(ms, { baseMs, rowMs })
          const slack = 1e-9 * (ms + 1)
          expect(rows === 0 ? 0 : baseMs + rowMs * rows).toBeLessThanOrEqual(ms + slack)
          const more =
            rows === LARGEST_BATCH ? Number.POSITIVE_INFINITY : baseMs + rowMs * (rows + 1)
          expect(more).toBeGreaterThan(ms - slack)
        },
      ),
    )
  })

  it('are no more than the largest batch, even when rows cost nothing', () => {
    expect(rowsWithin(50, { baseMs: 1, rowMs: 0 })).toBe(LARGEST_BATCH)
  })
})

describe('sample rows', () => {
  it('are the same at every start', () => {
    expect(sampleRows(3, null)).toEqual(sampleRows(3, null))
  })

  it('differ from each other', () => {
    const sample = sampleRows(13, null)
    const rows = Array.from({ length: LARGEST_BATCH }, (_, i) =>
      sample.subarray(i * 13, i * 13 + 13).join(),
    )
    expect(new Set(rows).size).toBe(LARGEST_BATCH)
  })

  it('take each column from the golden rows', async () => {
    const golden = await readGolden(goldenOf('card-gbdt'), 'here')
    const column = (rows: Float32Array, c: number) =>
      new Set([...rows].filter((_, i) => i % 13 === c))
    const sample = sampleRows(13, golden)
    for (let c = 0; c < 13; c++) {
      const known = column(golden.rows, c)
      expect([...column(sample, c)].filter((value) => !known.has(value))).toEqual([])
    }
  })
})

describe('a batch', () => {
  const runner = (score: (rows: Float32Array, row: number) => number): Runner => ({
    run: (rows, count) =>
      Promise.resolve([Float64Array.from({ length: count }, (_, i) => score(rows, i))]),
    close: () => Promise.resolve(),
  })

  it('is found to matter when a score depends on other rows', async () => {
    expect(
      await dependsOnBatch(
        runner((rows, i) => (rows[i] as number) / Math.max(...rows)),
        sampleRows(1, null),
        1e-5,
      ),
    ).toBe(true)
  })

  it('does not matter when a score depends on its own row only, even if it is NaN', async () => {
    expect(
      await dependsOnBatch(
        runner((rows, i) => Math.log((rows[i] as number) - 5)),
        sampleRows(1, null),
        0,
      ),
    ).toBe(false)
  })

  it('may change the last bits of scores on a processor that rounds otherwise', async () => {
    const rounding = runner((rows, i) => 3 + (rows[i] as number) + rows.length * 1e-9)
    const sample = sampleRows(1, null)
    expect(await dependsOnBatch(rounding, sample, 0)).toBe(true)
    expect(await dependsOnBatch(rounding, sample, 1e-5)).toBe(false)
  })
})
