/** Items by their key, in the order in which the keys first appear; none with an undefined key. */
export function groupedBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K | undefined) {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
