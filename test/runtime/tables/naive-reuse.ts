import { type event, live, MAX_AGE_MS, type Row, THRESHOLD } from './reused.ts'

// Which events reuse a score, by nothing but the words of the page about it.

/** Features by name; null, NaN or absent: missing. */
export type Features = Readonly<Record<string, number | null | undefined>>

/** The population standard deviation, in two passes. */
function deviation(numbers: readonly number[]): number {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length
  return Math.sqrt(numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length)
}

function numberIn(features: Features, name: string): number | null {
  const value = features[name] ?? Number.NaN
  return Number.isNaN(value) ? null : Math.fround(value)
}

/** @param all features of all rows @returns `null`: it cannot be told */
export function naiveDrift(all: readonly Features[], row: Features, now: Features): number | null {
  const names = Object.keys(now)
  let sum = 0
  for (const name of names) {
    const [before, after] = [numberIn(row, name), numberIn(now, name)]
    if (before === after) continue
    const unit = Math.fround(deviation(all.flatMap((other) => numberIn(other, name) ?? [])))
    if (before === null || after === null || unit === 0) return null
    sum += Math.abs(before - after) / unit
  }
  return sum / names.length
}

/** @param rows by key, as they are now */
export function naiveScore(rows: ReadonlyMap<string, Row>, of: ReturnType<typeof event>) {
  const [a, b] = [Math.fround(of.a), Math.fround(of.b)]
  const scoredLive = { a, probability: live(a, b), model: 'deep@3', route: 'live', reuse: null }
  const row = rows.get(of.id)
  if (row === undefined || of.priority === 'high' || row.score === null) return scoredLive
  const ageMs = of.at - row.scoredAtMs
  const all = [...rows.values()].map(({ features }) => features)
  const drift = naiveDrift(all, row.features, { a, b })
  if (ageMs < 0 || ageMs > MAX_AGE_MS || drift === null) return scoredLive
  const adjusted = Math.min(1, Math.max(0, row.score + 0.1 * drift))
  const probability = drift > THRESHOLD ? adjusted : row.score
  const confidence = Math.max(probability, 1 - probability) * Math.max(0, 1 - drift)
  const model = row['tidemark-model'] ?? 'nightly'
  return { a, probability, model, route: 'reuse', reuse: { ageMs, drift, confidence } }
}
