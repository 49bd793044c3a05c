import type { ResponseReader } from './bytes.ts'
import { type Request, request } from './request.ts'

// What a cluster looks like. A topic or a partition of which something is wrong says so by itself,
// and the others are told all the same.

interface NodeAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

interface PartitionMetadata {
  readonly partition: number
  /** −1: it has none. */
  readonly leader: number
  /** Grows with every change of the leader. */
  readonly leaderEpoch: number
}

export interface TopicMetadata {
  readonly code: number
  readonly topic: string
  /**
   * Differs from that of a topic of the same name that was deleted; `null`: it is not told (brokers
   * before 3.1).
   */
  readonly id: string | null
  readonly partitions: readonly PartitionMetadata[]
  /** A bit for each operation that the user may do, by its number; below 0: not told. */
  readonly operations: number
}

export interface Metadata {
  /** Those that are alive. */
  readonly nodes: readonly NodeAddress[]
  readonly controllerId: number
  readonly topics: readonly TopicMetadata[]
}

/**
 * The last version that is not flexible, and the first that all brokers with `Fetch` by topic id
 * have (Kafka 3.1).
 */
export type MetadataVersion = 8 | 12

/** No topic is made by being asked for. */
export function metadata(version: MetadataVersion, topics: readonly string[]): Request<Metadata> {
  const isNew = version === 12
  return request(
    'Metadata',
    { version, isFlexible: isNew },
    {
      write: (to) => {
        to.array(topics, (topic) => {
          if (isNew) to.uuid(null)
          to.string(topic).endStruct()
        })
        to.boolean(false)
        if (!isNew) to.boolean(false)
        to.boolean(true)
      },
      read: (from) => {
        from.throttle()
        const nodes = from.array((n) => {
          const [nodeId, host, port, rack] = [n.int32(), n.string() ?? '', n.int32(), n.string()]
          n.endStruct()
          return { nodeId, host, port, rack }
        })
        // The cluster's id.
        from.string()
        return {
          nodes,
          controllerId: from.int32(),
          topics: from.array((t) => topicFrom(t, isNew)),
        }
      },
    },
  )
}

function topicFrom(from: ResponseReader, isNew: boolean): TopicMetadata {
  const [code, topic] = [from.int16(), from.string() ?? '']
  const id = isNew ? from.uuid() : null
  // Is it one of the brokers' own?
  from.boolean()
  const partitions = from.array((p) => {
    // Its code says nothing that the leader does not.
    p.int16()
    const found = { partition: p.int32(), leader: p.int32(), leaderEpoch: p.int32() }
    // Replicas, those in sync, and those that are away.
    for (let lists = 0; lists < 3; lists++) p.array((r) => r.int32())
    p.endStruct()
    return found
  })
  const operations = from.int32()
  from.endStruct()
  return { code, topic, id, partitions, operations }
}
