/** Items sorted or merged between two yields. */
const RUN = 4_096

/**
 * Sorts as `toSorted` does, but yields now and then so that other work gets its turn: sorting a
 * million items without a pause blocks the event loop for a tenth of a second. (Bottom-up merge
 * sort: Knuth, TAOCP 3, 5.2.4.)
 */
export function* sortInTurns<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
): Generator<void, readonly T[]> {
  let runs: (readonly T[])[] = []
  for (let from = 0; from < items.length; from += RUN) {
    if (from > 0) yield
    runs.push(items.slice(from, from + RUN).sort(compare))
  }
  while (runs.length > 1) {
    const merged: (readonly T[])[] = []
    for (let r = 0; r < runs.length; r += 2) {
      const [a = [], b = []] = [runs[r], runs[r + 1]]
      merged.push(b.length === 0 ? a : yield* merge(a, b, compare))
    }
    runs = merged
  }
  return runs[0] ?? []
}

/** Of equal items, those of `a` come first. */
function* merge<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
): Generator<void, readonly T[]> {
  const merged: T[] = []
  let [i, j] = [0, 0]
  while (i < a.length && j < b.length) {
    const [left, right] = [a[i] as T, b[j] as T]
    if (compare(left, right) <= 0) {
      merged.push(left)
      i++
    } else {
      merged.push(right)
      j++
    }
    if (merged.length % RUN === 0) yield
  }
  for (; i < a.length; i++) merged.push(a[i] as T)
  for (; j < b.length; j++) merged.push(b[j] as T)
  return merged
}
