import { type Figure, figure } from '../bench/figures.ts'

// Decides whether the workers' memory grows.

/** Uptime after which a worker has loaded its model, its partitions and their windows, ms. */
const SETTLED_MS = 20_000
/** Growth: the last third is more than this factor above the first. */
const MOST = 1.2
/** With fewer samples there is no result. */
const LEAST_SAMPLES = 900

/** The memory of a worker at one moment. */
export interface MemorySample {
  /** Since the soak started. */
  readonly atMs: number
  /** Since the worker started. */
  readonly uptimeMs: number
  readonly rssBytes: number
}

/** Medians of the first and the last third of the samples. */
interface Thirds {
  readonly firstMb: Figure
  readonly lastMb: Figure
}

/** Whether memory grows. */
export interface MemoryFigures {
  readonly samples: number
  readonly peakMb: Figure
  /** In the order in which they were taken. */
  readonly bySoak: Thirds
  /** In the order of the worker's uptime: shows a leak that ends with its worker. */
  readonly byUptime: Thirds
  /** `null`: the soak was too short to tell. */
  readonly isFlat: boolean | null
}

/**
 * The figures of all samples.
 *
 * @param fullMs when the windows are full, since the soak started: memory grows until then
 */
export function memoryFigures(all: readonly MemorySample[], fullMs: number): MemoryFigures {
  const samples = all.filter((s) => s.atMs >= fullMs && s.uptimeMs >= SETTLED_MS)
  const bySoak = thirds(samples.toSorted((a, b) => a.atMs - b.atMs))
  const byUptime = thirds(samples.toSorted((a, b) => a.uptimeMs - b.uptimeMs))
  const peak = all.reduce((most, { rssBytes }) => Math.max(most, rssBytes), 0)
  return {
    samples: samples.length,
    peakMb: figure(peak / 1e6, 0),
    bySoak,
    byUptime,
    isFlat: samples.length < LEAST_SAMPLES ? null : isFlat(bySoak) && isFlat(byUptime),
  }
}

function thirds(samples: readonly MemorySample[]): Thirds {
  const size = Math.floor(samples.length / 3)
  return {
    firstMb: medianMb(samples.slice(0, size)),
    lastMb: medianMb(samples.slice(samples.length - size)),
  }
}

function medianMb(samples: readonly MemorySample[]): Figure {
  const sorted = samples.map(({ rssBytes }) => rssBytes).toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]
  return figure(median === undefined ? null : median / 1e6, 0)
}

function isFlat({ firstMb, lastMb }: Thirds): boolean {
  return Number(lastMb) <= MOST * Number(firstMb)
}
