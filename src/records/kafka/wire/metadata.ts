import type { ResponseReader } from './bytes.ts'
import { type Request, request } from './request.ts'

// Metadata of a cluster. An error of one topic or partition is reported there, and the rest of the
// response is valid all the same.

interface NodeAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

interface PartitionMetadata {
  readonly partition: number
  /** Node id; −1: the partition has no leader. */
  readonly leader: number
  /** Grows with every change of the leader. */
  readonly leaderEpoch: number
}

/** Metadata of a topic. */
export interface TopicMetadata {
  readonly code: number
  readonly topic: string
  /**
   * The topic's id, which differs from that of a deleted topic of the same name; `null`: not
   * reported (brokers before 3.1).
   */
  readonly id: string | null
  readonly partitions: readonly PartitionMetadata[]
  /** Bit set of the operations that the user may do, by operation number; below 0: not reported. */
  readonly operations: number
}

/** The nodes of a cluster and the requested topics. */
export interface Metadata {
  /** Nodes that are alive. */
  readonly nodes: readonly NodeAddress[]
  readonly controllerId: number
  readonly topics: readonly TopicMetadata[]
}

/**
 * The last version that is not flexible (8), and the first that all brokers with Fetch by topic id
 * have (12, Kafka 3.1).
 */
export type MetadataVersion = 8 | 12

/** Metadata of some topics; it never creates a topic. */
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
        // Cluster id.
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
  // Is it an internal topic?
  from.boolean()
  const partitions = from.array((p) => {
    // The partition's error code; `leader` says the same.
    p.int16()
    const found = { partition: p.int32(), leader: p.int32(), leaderEpoch: p.int32() }
    // Replicas, in-sync replicas and offline replicas.
    for (let lists = 0; lists < 3; lists++) p.array((r) => r.int32())
    p.endStruct()
    return found
  })
  const operations = from.int32()
  from.endStruct()
  return { code, topic, id, partitions, operations }
}
