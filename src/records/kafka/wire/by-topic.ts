/** Groups items by topic, in the order in which the topics first appear. */
export function topicsOf<T extends { readonly topic: string }>(
  items: readonly T[],
): (readonly [topic: string, items: readonly T[]])[] {
  const topics = new Map<string, T[]>()
  for (const item of items) {
    const ofTopic = topics.get(item.topic)
    if (ofTopic === undefined) topics.set(item.topic, [item])
    else ofTopic.push(item)
  }
  return [...topics]
}
