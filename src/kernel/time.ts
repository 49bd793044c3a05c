// Durations, and the range of event times.

declare const unit: unique symbol
/**
 * A duration in milliseconds; a plain number is not one. Made by {@link millis}, {@link seconds},
 * {@link minutes}, {@link hours} and {@link days}.
 */
export type DurationMs = number & {
  readonly [unit]: 'a length of time: write seconds(5), minutes(5), hours(5) or days(5)'
}

/** A duration of `n` milliseconds. One that is too short is refused at start. */
export const millis = (n: number): DurationMs => n as DurationMs
/** A duration of `n` seconds; `seconds(0.5)` is half a second. */
export const seconds = (n: number): DurationMs => (n * 1_000) as DurationMs
/** A duration of `n` minutes. */
export const minutes = (n: number): DurationMs => (n * 60_000) as DurationMs
/** A duration of `n` hours. */
export const hours = (n: number): DurationMs => (n * 3_600_000) as DurationMs
/** A duration of `n` times 24 hours, regardless of the calendar. */
export const days = (n: number): DurationMs => (n * 86_400_000) as DurationMs

const DURATION = new RegExp(
  `^${['d', 'h', 'm', 's'].map((u) => `(?:([1-9]\\d{0,5})${u})?`).join('')}$`,
)

/** The ms of a duration such as `90m`, `6h30m` or `2d`; `null`: it is not one. */
export function parseDuration(text: string): number | null {
  const [, d = 0, h = 0, m = 0, s = 0] = DURATION.exec(text) ?? []
  return days(+d) + hours(+h) + minutes(+m) + seconds(+s) || null
}

/**
 * The earliest event time that is accepted as milliseconds: 1980. Seconds since the epoch stay
 * below it until the year 11,000.
 */
const EARLIEST_EVENT_TIME_MS = Date.UTC(1980, 0, 1)
/**
 * The first event time that is no longer accepted as milliseconds: 2100. Microseconds and
 * nanoseconds are beyond it.
 */
export const LATEST_EVENT_TIME_MS = Date.UTC(2100, 0, 1)

export function isEventTime(ms: number): boolean {
  return Number.isInteger(ms) && ms >= EARLIEST_EVENT_TIME_MS && ms < LATEST_EVENT_TIME_MS
}

/** Kafka's timestamp for a record without one. */
export const NO_TIMESTAMP = -1

export function startOfWindow(timeMs: number, lengthMs: number): number {
  return Math.floor(timeMs / lengthMs) * lengthMs
}

/**
 * The hour of the day of an event time, 0 to 23.
 * @param offset of the local time from UTC; it does not know summer time @default UTC
 */
export function hourOfDay(eventTimeMs: number, offset: DurationMs = hours(0)): number {
  return Math.floor(remainder(eventTimeMs + offset, days(1)) / hours(1))
}

/**
 * The day of the week of an event time, as in ISO 8601: 1 is Monday, 7 is Sunday.
 * @param offset of the local time from UTC; it does not know summer time @default UTC
 */
export function dayOfWeek(eventTimeMs: number, offset: DurationMs = hours(0)): number {
  // 1970 began on a Thursday.
  return remainder(Math.floor((eventTimeMs + offset) / days(1)) + 3, 7) + 1
}

function remainder(n: number, divisor: number): number {
  return ((n % divisor) + divisor) % divisor
}

/** A duration for people: `1.5 s`, `12 min`, `3.2 h`. */
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
