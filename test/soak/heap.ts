import { type Figure, figure } from '../bench/figures.ts'

// Does the heap of a worker that is never killed grow? The least that collections leave in each
// minute is told.

const MINUTE_MS = 60_000
/** The last minutes count: until then windows fill and code is compiled. */
const LAST_MS = 15 * MINUTE_MS
const LEAST_SAMPLES = 15
/** Growth in an hour, as a share of what it holds. */
const MOST_PER_HOUR = 0.05
const HOUR_MS = 3_600_000

export const HEAP_PROBE = new URL('./heap-probe.js', import.meta.url).href

export interface HeapSample {
  readonly atMs: number
  readonly heapBytes: number
}

export interface HeapFigures {
  readonly samples: number
  readonly medianMb: Figure
  /** Of the last 15 minutes, percent of the median. */
  readonly percentPerHour: Figure
  /** `null`: too short to tell. */
  readonly isFlat: boolean | null
}

/**
 * The slope of the last 15 minutes. It is the median of the slopes between any two samples (Theil
 * 1950, Sen 1968): a worker that held another's partitions while it was looked at does not bend it,
 * as it would bend least squares.
 */
export function heapFigures(all: readonly HeapSample[]): HeapFigures {
  const endMs = all.at(-1)?.atMs ?? 0
  const samples = all.filter(({ atMs }) => atMs > endMs - LAST_MS)
  const slopes = samples.flatMap((a, i) =>
    samples.slice(i + 1).map((b) => (b.heapBytes - a.heapBytes) / (b.atMs - a.atMs)),
  )
  const held = median(samples.map(({ heapBytes }) => heapBytes))
  const perHour = (median(slopes) * HOUR_MS) / held
  return {
    samples: samples.length,
    medianMb: figure(held / 1e6, 1),
    percentPerHour: figure(perHour * 100, 1),
    isFlat: samples.length < LEAST_SAMPLES ? null : perHour < MOST_PER_HOUR,
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
  const high = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  return (low + high) / 2
}

/** What a worker that was started with {@link HEAP_PROBE} has told in its log. */
export function heapSamples(log: string): HeapSample[] {
  const told = [...log.matchAll(/^heap: (\d+)$/gm)]
  return told.map(([, bytes], i) => ({ atMs: (i + 1) * MINUTE_MS, heapBytes: Number(bytes) }))
}
