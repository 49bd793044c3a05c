/**
 * The area under the ROC curve: how likely a positive row scores higher than a negative one, where
 * equal scores count as half. Exact; NaN when there are no rows of one kind. Mann and Whitney
 * (1947); Hanley and McNeil (1982).
 *
 * @param positives scores in ascending order
 * @param negatives scores in ascending order
 */
export function auc(positives: Float64Array, negatives: Float64Array): number {
  let above = 0
  let lower = 0
  let notHigher = 0
  for (const score of positives) {
    while (lower < negatives.length && (negatives[lower] as number) < score) lower++
    notHigher = Math.max(notHigher, lower)
    while (notHigher < negatives.length && (negatives[notHigher] as number) === score) notHigher++
    above += (lower + notHigher) / 2
  }
  return above / (positives.length * negatives.length)
}
