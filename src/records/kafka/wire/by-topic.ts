/** What belongs to topics, put together by topic, in the order in which each is met first. */
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
