import { type Figure, figure } from '../bench/figures.ts'

// Does what workers hold in memory grow?

/** From then on a worker has loaded its model, and its partitions with their windows, ms. */
const SETTLED_MS = 20_000
/** A last third so much above the first one is growth. */
const MOST = 1.2
/** Of fewer samples nothing is said. */
const LEAST_SAMPLES = 900

/** What a worker held at some moment. */
export interface MemorySample {
  /** Since the soak began. */
  readonly atMs: number
  /** Since the worker began. */
  readonly uptimeMs: number
  readonly rssBytes: number
}

/** Medians of the first and the last third. */
interface Thirds {
  readonly firstMb: Figure
  readonly lastMb: Figure
}

export interface MemoryFigures {
  readonly samples: number
  readonly peakMb: Figure
  /** In the order in which they were taken. */
  readonly bySoak: Thirds
  /** In the order of the worker's uptime: a leak that dies with its worker. */
  readonly byUptime: Thirds
  /** `null`: the soak was too short to tell. */
  readonly isFlat: boolean | null
}

/** @param fullMs when the windows are full, since the soak began: until then memory must grow */
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
