import type { NewTopic } from '../../port.ts'
import { API, CODE, flexible, type Request, request } from './protocol.ts'

export interface TopicMetadata {
  readonly code: number
  readonly topic: string
  /** Differs for a topic created again; `null`: not reported before Kafka 3.1. */
  readonly id: string | null
  readonly partitions: readonly {
    readonly partition: number
    /** Node id; −1: the partition has no leader. */
    readonly leader: number
    /** Grows with every change of the leader. */
    readonly leaderEpoch: number
  }[]
  readonly operations: number
}

export interface Metadata {
  readonly nodes: readonly {
    readonly nodeId: number
    readonly host: string
    readonly port: number
    readonly rack: string | null
  }[]
  readonly controllerId: number
  readonly topics: readonly TopicMetadata[]
}

/** Never creates a topic. @param version 12: of brokers with Fetch by topic id (3.1) */
export function metadata(version: 8 | 12, topics: readonly string[]): Request<Metadata> {
  const isNew = version === 12
  return request('Metadata', {
    form: isNew ? flexible(12) : API.Metadata,
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
      const nodes = from.structs(() => {
        const [nodeId, host] = [from.int32(), from.string() ?? '']
        return { nodeId, host, port: from.int32(), rack: from.string() }
      })
      // Cluster id.
      from.string()
      const controllerId = from.int32()
      const described = from.structs(() => {
        const [code, topic] = [from.int16(), from.string() ?? '']
        const id = isNew ? from.uuid() : null
        // Whether it is an internal topic.
        from.boolean()
        const partitions = from.structs(() => {
          // The partition's error code; `leader` says the same.
          from.int16()
          const ids = { partition: from.int32(), leader: from.int32(), leaderEpoch: from.int32() }
          // Replicas, in-sync replicas and offline replicas.
          for (let lists = 0; lists < 3; lists++) from.array(() => from.int32())
          return ids
        })
        return { code, topic, id, partitions, operations: from.int32() }
      })
      return { nodes, controllerId, topics: described }
    },
  })
}

export interface BrokerApis {
  readonly versions: ReadonlyMap<number, readonly [number, number]>
  /** Levels of finalized features (KIP-584), such as `transaction.version`. */
  readonly features: ReadonlyMap<string, number>
}

const FINALIZED_FEATURES = 2

/** @param version of this client, as letters, digits, `.` and `-` */
export function apiVersions(version: string): Request<BrokerApis> {
  return request('ApiVersions', {
    write: (to) => to.string('tidemark').string(version),
    read: (from) => {
      // Error code.
      from.int16()
      const versions = from.structs(() => {
        const [api, oldest, newest] = [from.int16(), from.int16(), from.int16()]
        return [api, [oldest, newest]] as const
      })
      from.throttle()
      const features = from.tagged().get(FINALIZED_FEATURES)
      const levels = features?.structs(() => {
        const [name, newest] = [features.string() ?? '', features.int16()]
        // The minimum version level.
        features.int16()
        return [name, newest] as const
      })
      return { versions: new Map(versions), features: new Map(levels) }
    },
  })
}

/** CreateTopics, for the controller; results in the order of `topics`. */
export function createTopics(topics: readonly NewTopic[], timeoutMs: number) {
  const asked = request('CreateTopics', {
    write: (to) => {
      to.array(topics, ({ name, partitions, replicas = 1, config = {} }) => {
        to.string(name).int32(partitions).int16(replicas)
        // No manual replica assignment: the broker chooses.
        to.array([], () => {})
        to.array(Object.entries(config), ([key, value]) => to.string(key).string(value))
      })
      // `validateOnly` is false.
      to.int32(timeoutMs).boolean(false)
    },
    read: (from) => {
      const made = from.array(() => {
        return [from.string() ?? '', { code: from.int16(), message: from.string() }] as const
      })
      const byName = new Map(made)
      return topics.map(({ name }) => byName.get(name) ?? { code: -1, message: null })
    },
  })
  return { ...asked, waitsMs: timeoutMs }
}

const TOPIC = 2

export function describeConfigs(topics: readonly string[], settings: readonly string[]) {
  return request('DescribeConfigs', {
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
      const configs = from.array(() => {
        const code = from.int16()
        // Error message and resource type.
        from.string()
        from.int8()
        const topic = from.string() ?? ''
        const entries = from.array(() => {
          const [name, value] = [from.string() ?? '', from.string() ?? '']
          // Whether it is read-only, its source, and whether it is sensitive.
          from.boolean()
          from.int8()
          from.boolean()
          from.array(() => [from.string(), from.string(), from.int8()])
          return [name, value] as const
        })
        return { code, topic, settings: new Map(entries) }
      })
      return { code: CODE.NONE, configs }
    },
  })
}
