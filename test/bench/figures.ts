import { cpus, totalmem } from 'node:os'

// Formats numbers for reports.

/** A number, or `not measured`. */
export type Figure = number | 'not measured'

/** A number rounded to `digits` after the point; `null` and NaN are not measured. */
export function figure(value: number | null, digits: number): Figure {
  return value === null || !Number.isFinite(value) ? 'not measured' : Number(value.toFixed(digits))
}

/** The usual percentiles. */
export interface Percentiles {
  readonly p50: Figure
  readonly p90: Figure
  readonly p99: Figure
  readonly p999: Figure
  readonly max: Figure
}

/** Percentiles by nearest rank, with one digit after the point. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => figure(sorted[Math.ceil(share * sorted.length) - 1] ?? null, 1)
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) }
}

/** `2 cores, AMD EPYC, 24 GiB, Node 20.20.2` */
export function machine(): string {
  const cores = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return `${cores.length} cores, ${cores[0]?.model.trim() ?? 'unknown'}, ${memory}, Node ${process.versions.node}`
}
