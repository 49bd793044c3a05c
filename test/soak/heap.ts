import { type Figure, figure } from '../bench/figures.ts'

// Decides whether the heap of a worker that is never killed grows, from the minimum of each minute
// after garbage collections.

const MINUTE_MS = 60_000
/** Only the last 15 minutes count: before that, windows fill and code is compiled. */
const LAST_MS = 15 * MINUTE_MS
const LEAST_SAMPLES = 15
/** Allowed growth in an hour, as a fraction of the heap. */
const MOST_PER_HOUR = 0.05
const HOUR_MS = 3_600_000

/** The module that makes a worker print its heap. */
export const HEAP_PROBE = new URL('./heap-probe.js', import.meta.url).href

/** The smallest heap of one minute. */
export interface HeapSample {
  readonly atMs: number
  readonly heapBytes: number
}

/** Whether a heap grows. */
export interface HeapFigures {
  readonly samples: number
  readonly medianMb: Figure
  /** Growth during the last 15 minutes, percent of the median. */
  readonly percentPerHour: Figure
  /** `null`: too short to tell. */
  readonly isFlat: boolean | null
}

/**
 * The slope of the last 15 minutes: the median of the slopes between any two samples (Theil 1950,
 * Sen 1968). Unlike least squares, it is not distorted by samples taken while the worker had
 * another worker's partitions.
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

/** The samples in the log of a worker that was started with {@link HEAP_PROBE}. */
export function heapSamples(log: string): HeapSample[] {
  const lines = [...log.matchAll(/^heap: (\d+)$/gm)]
  return lines.map(([, bytes], i) => ({ atMs: (i + 1) * MINUTE_MS, heapBytes: Number(bytes) }))
}
