/** Offsets from the first to the last, both included. */
export type OffsetRange = readonly [first: number, last: number]

/** Adds an offset greater than all others; extends the last range if it follows it directly. */
export function withOffset(ranges: readonly OffsetRange[], offset: number): OffsetRange[] {
  const last = ranges.at(-1)
  if (last === undefined || last[1] < offset - 1) return [...ranges, [offset, offset]]
  return [...ranges.slice(0, -1), [last[0], offset]]
}

/** The part before an offset. */
export function rangesBefore(ranges: readonly OffsetRange[], end: number): OffsetRange[] {
  return ranges
    .filter(([first]) => first < end)
    .map(([first, last]) => [first, Math.min(last, end - 1)])
}

/** Is an offset in one of the ranges? */
export function isWithin(ranges: readonly OffsetRange[], offset: number): boolean {
  return ranges.some(([first, last]) => first <= offset && offset <= last)
}
