import type { TopicPartition } from './port.ts'

// Assigns partitions to the members of a group: even loads first, then as few moves as possible,
// because a partition that moves takes its windows with it. Follows Kafka's sticky assignor:
// balance before stickiness (KIP-54), and the later generation wins among claims to a partition
// (KIP-341). Unlike that assignor, it balances every topic on its own.

export interface Claimant {
  readonly id: string
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  /** The generation of the group in which it owned them. */
  readonly generation: number
}

const NOBODY = -1

/** The shares of one topic's readers. Members are numbers: their index when sorted by id. */
interface Share {
  readonly topic: string
  readonly readers: readonly number[]
  readonly holders: readonly number[]
  /** Partitions that every reader gets at least. */
  readonly base: number
  /** How many readers get one more than `base`. */
  readonly extras: number
  /** Readers that own more than `base` now: giving them an extra saves a move. */
  readonly wanting: ReadonlySet<number>
  readonly chosen: Set<number>
}

/**
 * Returns the partitions of each member, by member id. The order of `claimants` does not matter.
 * - Each partition of a topic that has readers is assigned to exactly one reader.
 * - The readers of a topic get the same number of its partitions, or one more.
 * - Within that, the total loads of the members are as even as possible.
 * - Within that, as many partitions as possible stay where they are.
 *
 * @param partitions number of partitions by topic; topics that are not in it are left out
 */
export function assignSticky(
  claimants: readonly Claimant[],
  partitions: ReadonlyMap<string, number>,
): Map<string, TopicPartition[]> {
  const members = claimants.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const topics = [...new Set(members.flatMap((m) => m.topics))].filter((t) => partitions.has(t))
  const shares = topics.sort().map((topic) => shareOf(topic, partitions.get(topic) ?? 0, members))
  const loads = members.map((_, member) =>
    shares.reduce((sum, s) => sum + (s.readers.includes(member) ? s.base : 0), 0),
  )
  for (const share of shares) {
    for (let extra = 0; extra < share.extras; extra++) placeExtra(share, shares, loads)
  }
  const assignment = members.map((): TopicPartition[] => [])
  for (const share of shares) assignShare(share, assignment)
  return new Map(members.map(({ id }, member) => [id, assignment[member] ?? []]))
}

function shareOf(topic: string, count: number, members: readonly Claimant[]): Share {
  const readers = [...members.keys()].filter((m) => members[m]?.topics.includes(topic))
  const holders = new Array<number>(count).fill(NOBODY)
  hold(topic, members, holders)
  const base = Math.floor(count / readers.length)
  const held = (member: number) => holders.filter((holder) => holder === member).length
  return {
    topic,
    readers,
    holders,
    base,
    extras: count % readers.length,
    wanting: new Set(readers.filter((member) => held(member) > base)),
    chosen: new Set(),
  }
}

/** Gives each partition to the claim of the latest generation, and among those to the first. */
function hold(topic: string, members: readonly Claimant[], holders: number[]): void {
  for (const [member, { topics, owned, generation }] of members.entries()) {
    if (!topics.includes(topic)) continue
    for (const { topic: ownedTopic, partition } of owned) {
      const holder = holders[partition]
      if (ownedTopic !== topic || holder === undefined) continue
      if (generation > (members[holder]?.generation ?? -Infinity)) holders[partition] = member
    }
  }
}

/**
 * Places one extra partition of a topic so that the reachable member with the least total load
 * gains it: directly, or along a chain in which readers of other topics hand an extra to each
 * other. Chains that take the fewest extras from members that want them come first. Successive
 * shortest paths lead to the optimum over all choices (minimum-cost flow).
 */
function placeExtra(share: Share, shares: readonly Share[], loads: number[]): void {
  const costs = loads.map(() => Number.POSITIVE_INFINITY)
  const steps: { share: Share; from: number }[] = []
  let shorter = true
  const reach = (through: Share, from: number, cost: number) => {
    for (const to of through.readers) {
      const reached = cost - (through.wanting.has(to) ? 1 : 0)
      if (through.chosen.has(to) || reached >= (costs[to] as number)) continue
      costs[to] = reached
      steps[to] = { share: through, from }
      shorter = true
    }
  }
  reach(share, NOBODY, 0)
  while (shorter) {
    shorter = false
    for (const [from, cost] of costs.entries()) {
      if (cost === Number.POSITIVE_INFINITY) continue
      for (const other of shares) {
        if (other.chosen.has(from)) reach(other, from, cost + (other.wanting.has(from) ? 1 : 0))
      }
    }
  }
  const last = cheapest(costs, loads)
  loads[last] = (loads[last] as number) + 1
  for (let to = last; to !== NOBODY; ) {
    const step = steps[to] as { share: Share; from: number }
    step.share.chosen.add(to)
    step.share.chosen.delete(step.from)
    to = step.from
  }
}

/** The reachable member with the least load; then at the lowest cost, then the first. */
function cheapest(costs: readonly number[], loads: readonly number[]): number {
  let best = NOBODY
  for (const [member, cost] of costs.entries()) {
    if (cost === Number.POSITIVE_INFINITY) continue
    const [load, least] = [loads[member] as number, loads[best] ?? Number.POSITIVE_INFINITY]
    if (load < least || (load === least && cost < (costs[best] as number))) best = member
  }
  return best
}

/** Each reader keeps its own up to its share; the rest goes to readers with less. */
function assignShare(
  { topic, readers, holders, base, chosen }: Share,
  assignment: TopicPartition[][],
) {
  const room = new Map(readers.map((member) => [member, base + (chosen.has(member) ? 1 : 0)]))
  const give = (member: number, partition: number) => {
    room.set(member, (room.get(member) ?? 0) - 1)
    assignment[member]?.push({ topic, partition })
  }
  const free: number[] = []
  for (const [partition, holder] of holders.entries()) {
    if ((room.get(holder) ?? 0) > 0) give(holder, partition)
    else free.push(partition)
  }
  for (const member of readers) {
    for (const partition of free.splice(0, room.get(member))) give(member, partition)
  }
}
