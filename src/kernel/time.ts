// Lengths of time, and what an event time may be.

declare const unit: unique symbol
/**
 * A length of time in milliseconds, which no plain number is. Made by {@link millis}, {@link
 * seconds}, {@link minutes}, {@link hours} and {@link days}.
 */
export type DurationMs = number & {
  readonly [unit]: 'a length of time: write seconds(5), minutes(5), hours(5) or days(5)'
}

/** A length of time of `n` milliseconds. What it is given to says which are too short, at start. */
export const millis = (n: number): DurationMs => n as DurationMs
/** A length of time of `n` seconds; `seconds(0.5)` is half of one. */
export const seconds = (n: number): DurationMs => (n * 1_000) as DurationMs
/** A length of time of `n` minutes. */
export const minutes = (n: number): DurationMs => (n * 60_000) as DurationMs
/** A length of time of `n` hours. */
export const hours = (n: number): DurationMs => (n * 3_600_000) as DurationMs
/** A length of time of `n` times 24 hours, whatever a calendar says. */
export const days = (n: number): DurationMs => (n * 86_400_000) as DurationMs

/**
 * Earliest event time that is taken for milliseconds: 1980. Seconds since the epoch stay below it
 * until the year 11,000.
 */
export const EARLIEST_EVENT_TIME_MS = Date.UTC(1980, 0, 1)
/**
 * First event time that is no longer taken for milliseconds: 2100. Microseconds and nanoseconds lie
 * beyond it.
 */
export const LATEST_EVENT_TIME_MS = Date.UTC(2100, 0, 1)

/** Kafka's timestamp of a record that has none. */
export const NO_TIMESTAMP = -1

/** Start of the aligned window [start, start + length) that a time falls in. */
export function startOfWindow(timeMs: number, lengthMs: number): number {
  return Math.floor(timeMs / lengthMs) * lengthMs
}

/** `1.5 s`, `12 min`, `3.2 h`: a length of time for people. */
export function formatDuration(ms: number): string {
  const abs = Math.abs(ms)
  if (abs < 1_000) return `${round(ms)} ms`
  if (abs < 120_000) return `${round(ms / 1_000)} s`
  if (abs < 7_200_000) return `${round(ms / 60_000)} min`
  if (abs < 172_800_000) return `${round(ms / 3_600_000)} h`
  return `${round(ms / 86_400_000)} days`
}

function round(n: number): string {
  return Math.abs(n) < 10 ? String(Math.round(n * 10) / 10) : String(Math.round(n))
}
