import { RequestWriter, ResponseReader } from './bytes.ts'
import { classic, type Request, request } from './protocol.ts'

// Metadata, ApiVersions, CreateTopics and DescribeConfigs.

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

export interface TopicMetadata {
  readonly code: number
  readonly topic: string
  /**
   * Differs from that of a deleted topic of the same name; `null`: not reported before Kafka 3.1.
   */
  readonly id: string | null
  readonly partitions: readonly PartitionMetadata[]
  /** Bit set of the operations that the user may do, by operation number; below 0: not reported. */
  readonly operations: number
}

/** Nodes that are alive, and the requested topics. */
export interface Metadata {
  readonly nodes: readonly NodeAddress[]
  readonly controllerId: number
  readonly topics: readonly TopicMetadata[]
}

/** The last one that is not flexible, and the one of brokers with Fetch by topic id (3.1). */
type MetadataVersion = 8 | 12

/** Never creates a topic. An error of one topic leaves the rest of the response valid. */
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

export interface BrokerApis {
  /** Oldest and newest version, by API key. */
  readonly versions: ReadonlyMap<number, readonly [number, number]>
  /** Levels of finalized features (KIP-584), such as `transaction.version`. */
  readonly features: ReadonlyMap<string, number>
}

const FINALIZED_FEATURES = 2

/** @param client name and version, as letters, digits, `.` and `-` */
export function apiVersions(client: {
  readonly name: string
  readonly version: string
}): Request<{ readonly code: number } & BrokerApis> {
  const writer = new RequestWriter(true).string(client.name).string(client.version).endStruct()
  return {
    api: 'ApiVersions',
    version: 3,
    body: writer.pieces(),
    // The header of this response is never flexible, so that any client can read it.
    decode: (payload) => {
      const reader = new ResponseReader(payload, true)
      const code = reader.int16()
      const versions = reader.array((r) => {
        const [api, oldest, newest] = [r.int16(), r.int16(), r.int16()]
        r.endStruct()
        return [api, [oldest, newest]] as const
      })
      reader.throttle()
      const features = reader
        .tagged()
        .get(FINALIZED_FEATURES)
        ?.array((r) => {
          const [name, newest] = [r.string() ?? '', r.int16()]
          // The minimum version level.
          r.int16()
          r.endStruct()
          return [name, newest] as const
        })
      const value = { code, versions: new Map(versions), features: new Map(features) }
      return { value, throttleMs: reader.throttleMs }
    },
  }
}

export interface CreatedTopic {
  readonly code: number
  /** Error message of the broker. */
  readonly message: string | null
}

interface TopicToCreate {
  readonly name: string
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

/** CreateTopics, for the controller; results in the order of `topics`. */
export function createTopics(
  topics: readonly TopicToCreate[],
  timeoutMs: number,
): Request<readonly CreatedTopic[]> {
  const asked = request('CreateTopics', classic(4), {
    write: (to) => {
      to.array(topics, ({ name, partitions, replicas, config }) => {
        to.string(name).int32(partitions).int16(replicas)
        // No manual replica assignment: the broker chooses.
        to.array([], () => {})
        to.array(Object.entries(config), ([key, value]) => to.string(key).string(value))
      })
      // `validateOnly` is false.
      to.int32(timeoutMs).boolean(false)
    },
    read: (from) => {
      const byName = new Map(
        from.array((t) => [t.string() ?? '', { code: t.int16(), message: t.string() }] as const),
      )
      return topics.map(({ name }) => byName.get(name) ?? { code: -1, message: null })
    },
  })
  return { ...asked, waitsMs: timeoutMs }
}

export interface DescribedConfig {
  readonly code: number
  readonly topic: string
  readonly settings: ReadonlyMap<string, string>
}

const TOPIC = 2

export function describeConfigs(
  topics: readonly string[],
  settings: readonly string[],
): Request<readonly DescribedConfig[]> {
  return request('DescribeConfigs', classic(2), {
    write: (to) => {
      to.array(topics, (topic) => {
        to.int8(TOPIC)
          .string(topic)
          .array(settings, (name) => to.string(name))
      })
      // Without synonyms: the other places where a setting may be defined.
      to.boolean(false)
    },
    read: (from) => {
      return from.array((r) => {
        const code = r.int16()
        // Error message and resource type.
        r.string()
        r.int8()
        const topic = r.string() ?? ''
        const entries = r.array((c) => {
          const [name, value] = [c.string() ?? '', c.string() ?? '']
          // Is it read-only, its source, and is it sensitive?
          c.boolean()
          c.int8()
          c.boolean()
          c.array((s) => [s.string(), s.string(), s.int8()])
          return [name, value] as const
        })
        return { code, topic, settings: new Map(entries) }
      })
    },
  })
}
