import { ask, type Encoder, encoder } from './ask.ts'
import { metadataOf, until } from './cluster.ts'

// Changes that an operator makes to a running cluster. Addresses are `host:port` of a listener
// without security.

const ANSWER_WITHIN_MS = 4_000

/** Gives every partition its preferred leader, which may have lost it while its node was away. */
export async function balanceLeaders(address: string): Promise<void> {
  await electPreferred(address, (await metadataOf(address)).partitions)
}

/**
 * Gives the partitions of these topics another leader: the next of their replicas.
 *
 * @returns how many have one, once each of them has
 * @throws Error when not all have one within 10 s
 */
export async function moveLeaders(address: string, topics: readonly string[]): Promise<number> {
  const found = async () =>
    (await metadataOf(address)).partitions.filter(({ topic }) => topics.includes(topic))
  const before = await found()
  const turned = before.map((p) => {
    const at = p.replicas.indexOf(p.leader) + 1
    return { ...p, replicas: [...p.replicas.slice(at), ...p.replicas.slice(0, at)] }
  })
  await reassign(address, turned)
  const haveMoved = async () => {
    await electPreferred(address, turned)
    const now = await found()
    return now.every((p) => {
      const was = before.find((b) => b.topic === p.topic && b.partition === p.partition)
      return p.leader >= 0 && p.leader !== was?.leader
    })
  }
  await until('led by others', haveMoved)
  return before.length
}

interface Replicas {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
}

/** The same replicas in another order: the first is preferred as leader. */
async function reassign(address: string, partitions: readonly Replicas[]): Promise<void> {
  const body = encoder().writeInt32(ANSWER_WITHIN_MS)
  compact(body, byTopic(partitions), ([topic, those]) => {
    body.writeUVarIntString(topic)
    compact(body, those, ({ partition, replicas }) => {
      body.writeInt32(partition)
      compact(body, replicas, (id) => body.writeInt32(id))
      body.writeInt8(0)
    })
    body.writeInt8(0)
  })
  body.writeInt8(0)
  const answer = await ask(address, { api: 45, version: 0, body, isFlexible: true })
  answer.readInt32()
  refuseAny([answer.readInt16()], 'the order of replicas')
}

async function electPreferred(address: string, partitions: readonly Replicas[]): Promise<void> {
  const topics = byTopic(partitions)
  const body = encoder().writeInt32(topics.length)
  for (const [topic, those] of topics) {
    body.writeString(topic).writeInt32(those.length)
    for (const { partition } of those) body.writeInt32(partition)
  }
  const version = 0
  // The answers for partitions are not read, because the metadata shows the leaders: a partition
  // that has its preferred leader already is "refused".
  await ask(address, { api: 43, version, body: body.writeInt32(ANSWER_WITHIN_MS) })
}

function byTopic(partitions: readonly Replicas[]): (readonly [string, readonly Replicas[]])[] {
  const topics = [...new Set(partitions.map(({ topic }) => topic))]
  return topics.map((topic) => [topic, partitions.filter((p) => p.topic === topic)])
}

/** An array as requests of flexible versions hold it; short ones only. */
function compact<T>(body: Encoder, items: readonly T[], each: (item: T) => unknown): void {
  body.writeUVarInt(items.length + 1)
  for (const item of items) each(item)
}

function refuseAny(codes: readonly number[], what: string): void {
  const code = codes.find((one) => one !== 0)
  if (code !== undefined) throw new Error(`${what}: refused with code ${code}`)
}
