import type { ModelDefinition } from '../topology/models.ts'
import { readGolden } from './golden.ts'
import { loadSingle, type SingleOptions } from './models.ts'
import type { Scorer } from './scorer.ts'
import { sampleBatches, sampleRows } from './warm-up.ts'

/** How long runs of a size are not counted, ms, until the JIT has compiled their code. */
const WARM_UP_MS = 100
/** How long runs of a size are measured, ms; at least {@link LEAST_RUNS} runs. */
const SIZE_MS = 300
const LEAST_RUNS = 10

/** @throws Refused with the faults for which a worker would refuse it */
export async function benchmark(model: ModelDefinition, options: SingleOptions) {
  const { scorer, notes } = await loadSingle(model, options)
  try {
    const golden = model.golden === undefined ? null : await readGolden(model.golden, model.name)
    const sample = sampleRows(model.features.length, golden)
    const batches: BatchTimes[] = []
    const { maxBatch: largestBatch } = scorer
    for (const rows of sizesUpTo(largestBatch)) batches.push(await timesOf(scorer, sample, rows))
    return {
      evaluator: scorer.evaluator,
      largestBatch,
      /** In ascending order of size. */
      batches,
      /**
       * The size with the most rows a second, among those with a p99 within the budget if there
       * are any.
       */
      bestBatch: bestOf(batches, options.latencyBudgetMs),
      notes,
    }
  } finally {
    await scorer.close()
  }
}

export type Benchmark = Awaited<ReturnType<typeof benchmark>>

export function sizesUpTo(largest: number): number[] {
  const sizes: number[] = []
  for (let rows = 1; rows < largest; rows *= 2) sizes.push(rows)
  return [...sizes, largest]
}

async function timesOf(scorer: Scorer, sample: Float32Array, rows: number) {
  const batchOf = sampleBatches(sample)
  const times: number[] = []
  const beginMs = performance.now()
  const isOver = () => performance.now() - beginMs >= WARM_UP_MS + SIZE_MS
  while (times.length < LEAST_RUNS || !isOver()) {
    const batch = batchOf(rows)
    const startMs = performance.now()
    await scorer.score(batch, rows)
    const ms = performance.now() - startMs
    if (startMs - beginMs >= WARM_UP_MS) times.push(ms)
  }
  return statisticsOf(rows, times)
}

export function statisticsOf(rows: number, times: readonly number[]) {
  const sorted = times.toSorted((a, b) => a - b)
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number
  const avgMs = times.reduce((sum, ms) => sum + ms, 0) / times.length
  const quantiles = { p50Ms: rank(0.5), p95Ms: rank(0.95), p99Ms: rank(0.99) }
  return { rows, runs: times.length, avgMs, ...quantiles, rowsPerSecond: (rows * 1_000) / avgMs }
}

export type BatchTimes = ReturnType<typeof statisticsOf>

export function bestOf(batches: readonly BatchTimes[], latencyBudgetMs: number): number {
  const within = batches.filter(({ p99Ms }) => p99Ms <= latencyBudgetMs)
  const [best] = (within.length > 0 ? within : batches).toSorted(
    (a, b) => b.rowsPerSecond - a.rowsPerSecond,
  )
  return best?.rows ?? 1
}
