/** So that a probability of 0 for what happened costs 34.5, not infinity. */
const LEAST_PROBABILITY = 1e-15

/** What a prediction costs: −ln of the probability that it gave to what happened. */
export function logLoss(probability: number): number {
  return -Math.log(Math.min(Math.max(probability, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY))
}

/** Can it be a probability? */
export function isProbability(score: number): boolean {
  return score >= 0 && score <= 1
}
