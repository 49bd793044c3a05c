/** The prediction for one flight, and what happened. */
export interface Verdict {
  /** The predicted chance of arriving late, 0 to 1. */
  readonly said: number
  readonly wasLate: boolean
}

/**
 * Area under the ROC curve: how often a late flight was given a higher chance than one on time,
 * counting ties as half. Computed from ranks, as the Mann-Whitney U statistic (Mann and Whitney
 * 1947).
 *
 * @returns 0 to 1; `null` if no flight was late, or none was on time
 */
export function aucOf(verdicts: readonly Verdict[]): number | null {
  const sorted = verdicts.toSorted((a, b) => a.said - b.said)
  let late = 0
  let rankSum = 0
  for (let start = 0; start < sorted.length; ) {
    let end = start
    let lateHere = 0
    for (; sorted[end]?.said === sorted[start]?.said && end < sorted.length; end++) {
      if (sorted[end]?.wasLate === true) lateHere++
    }
    // Equal values all get the mean of their ranks, which count from 1.
    rankSum += (lateHere * (start + 1 + end)) / 2
    late += lateHere
    start = end
  }
  const onTime = sorted.length - late
  if (late === 0 || onTime === 0) return null
  return (rankSum - (late * (late + 1)) / 2) / (late * onTime)
}

/** Fraction of late flights among those given a chance in `[from, below)`; `null` if none was. */
export function lateShare(
  verdicts: readonly Verdict[],
  [from, below]: readonly [from: number, below: number],
): number | null {
  const chosen = verdicts.filter(({ said }) => said >= from && said < below)
  if (chosen.length === 0) return null
  return chosen.filter(({ wasLate }) => wasLate).length / chosen.length
}
