import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BatchScorer } from '../../src/scoring/batch-scorer.ts'
import { type Golden, readGolden } from '../../src/scoring/golden.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { type Runner, readingOf } from '../../src/scoring/runner.ts'
import { sampleRows } from '../../src/scoring/warm-up.ts'
import type { ModelDefinition } from '../../src/topology/models.ts'
import { bothRunners, cardModel, FIXTURES, goldenOf } from './support.ts'

/** Scores rows in batches of a size. */
async function inBatches(runner: Runner, rows: Float32Array, size: number): Promise<Float64Array> {
  const identity = {
    name: 'm',
    label: 'm@1',
    sha256: '',
    evaluator: { by: 'trees' } as const,
    size: { bytes: 0, threads: 0 },
    features: 13,
    columns: 1,
  }
  const scorer = new BatchScorer(identity, [{ rows: size, runner, cost: { baseMs: 0, rowMs: 1 } }])
  return (await scorer.score(rows, rows.length / 13)).columns[0] as Float64Array
}

/** The golden outputs of a file with rows of one tensor. */
function tensorRows({ outputs }: Golden): readonly (readonly number[])[] {
  if (outputs.kind !== 'tensor') throw new Error('these golden rows are scores by name')
  return outputs.rows
}

function near(a = 0, b = 0): boolean {
  return Object.is(a, b) || Math.abs(a - b) < 1e-6
}

describe.each(['card-gbdt', 'card-mlp-large', 'card-nan'])('%s', (name) => {
  let runners: Record<'inline' | 'thread', Runner>
  let golden: Golden
  beforeAll(async () => {
    runners = await bothRunners(cardModel(name))
    golden = await readGolden(goldenOf(name), 'here')
  })
  afterAll(async () => {
    await runners.inline.close()
    await runners.thread.close()
  })

  it.each(['inline', 'thread'] as const)('returns its golden outputs %s', async (where) => {
    const scores = await inBatches(runners[where], golden.rows, 512)
    const wrong = tensorRows(golden).filter(([wanted], row) => !near(scores[row], wanted))
    expect(wrong).toEqual([])
  })

  it('returns the same bits inline and in a thread, in batches of 1, 7 and 512', async () => {
    const rows = sampleRows(13, golden).subarray(0, 520 * 13)
    const expected = await inBatches(runners.inline, rows, 520)
    for (const runner of Object.values(runners)) {
      for (const size of [1, 7, 512]) expect(await inBatches(runner, rows, size)).toEqual(expected)
    }
  })

  it('leaves the rows unchanged', async () => {
    const rows = golden.rows.slice()
    await inBatches(runners.thread, rows, 512)
    expect(rows).toEqual(golden.rows)
  })
})

describe('card-nan', () => {
  it('returns NaN for exactly the expected rows, between finite neighbours', async () => {
    const model = cardModel('card-nan')
    const runner = await OnnxSession.load(readFileSync(model.file), readingOf(model))
    const { rows } = await readGolden(goldenOf('card-nan'), 'here')
    const scores = await inBatches(runner, rows, 512)
    const amounts = [...scores].map((_, row) => rows[row * 13] as number)
    expect([...scores].map(Number.isNaN)).toEqual(amounts.map((amount) => amount > 150))
    expect(amounts.some((amount) => amount > 150)).toBe(true)
    await runner.close()
  })
})

describe('a session', () => {
  /** Runs one model; each returned array is one column. */
  async function run(
    name: string,
    outputs: ModelDefinition['outputs'],
    rows: readonly number[],
  ): Promise<number[][]> {
    const model = cardModel(name, { outputs })
    const runner = await OnnxSession.load(readFileSync(model.file), readingOf(model))
    const columns = await runner.run(Float32Array.from(rows), rows.length / 2)
    await runner.close()
    return columns.map((column) => [...column])
  }

  it('reads all columns of a tensor in order, each once for every row', async () => {
    const outputs: ModelDefinition['outputs'] = {
      whole: { tensor: 'i32', columns: ['a', 'b'] },
      second: { tensor: 'f64', column: 1 },
      both: { tensor: 'i64', columns: ['b', 'a'] },
    }
    const [a, b] = [
      [1, 3, 5, 7, 9],
      [2, 4, 6, 8, 10],
    ]
    expect(await run('every-type', outputs, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).toEqual([
      a,
      b,
      b,
      a,
      b,
    ])
  })

  it('reads a label and a condition as numbers', async () => {
    const outputs: ModelDefinition['outputs'] = {
      label: { tensor: 'label', column: 0 },
      sure: { tensor: 'sure', columns: ['yes'] },
    }
    expect(await run('risk', outputs, [0, 0, 0, 5, 5, 0.1])).toEqual([
      [0, 1, 0],
      [0, 1, 1],
    ])
  })

  it('returns an integer that float64 cannot represent as infinite, and the largest safe one exactly', async () => {
    const rows = [2 ** 53, -(2 ** 53), 2 ** 53 - 2 ** 29, -(2 ** 62)]
    expect(await run('every-type', { l: { tensor: 'i64', columns: ['a', 'b'] } }, rows)).toEqual([
      [Number.POSITIVE_INFINITY, 2 ** 53 - 2 ** 29],
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ])
  })

  it('reads float32, float64, int32 and int64, [N] and [N, columns]', async () => {
    const model: ModelDefinition = {
      ...cardModel('every-type'),
      outputs: {
        sum: { tensor: 'f32', column: 0 },
        double: { tensor: 'f64', column: 1 },
        int: { tensor: 'i32', column: 0 },
        long: { tensor: 'i64', column: 1 },
      },
    }
    const runner = await OnnxSession.load(readFileSync(model.file), readingOf(model))
    const columns = [
      [2.6, 8],
      [2.5, Math.fround(4.1)],
      [0, 3],
      [2, 4],
    ].map((column) => Float64Array.from(column))
    expect(await runner.run(new Float32Array([0.1, 2.5, 3.9, 4.1]), 2)).toEqual(columns)
    await runner.close()
  })

  it('loads no weights from the working directory', async () => {
    const bytes = readFileSync(new URL('external-data.onnx', FIXTURES))
    const here = process.cwd()
    process.chdir(fileURLToPath(FIXTURES))
    const loading = OnnxSession.load(bytes, { input: '', outputs: {} })
    await expect(loading).rejects.toThrow('External data path does not exist: "/dev/null')
    process.chdir(here)
  })
})

describe('a threaded scorer', () => {
  it('closes under load without an abort, after all accepted rows', async () => {
    const script = new URL('./scores-until-sigterm.mjs', import.meta.url)
    const child = spawn(process.execPath, ['--import', 'tsx', script.pathname], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let printed = ''
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text: string) => {
      if (printed === '') child.kill('SIGTERM')
      printed += text
    })
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    const [, scored, given] = /closed after (\d+) of (\d+)/.exec(printed) ?? []
    expect(Number(scored)).toBeGreaterThan(0)
    expect(scored).toBe(given)
  })
})
