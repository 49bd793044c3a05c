/**
 * A generator of numbers in [0, 1) that depend only on the seed, a whole number from 1 to 2^31 − 2:
 * the multiplicative generator of Park and Miller (1988).
 */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return (state - 1) / 2_147_483_646
  }
}
