import { type Request, request } from './request.ts'

// CreateTopics, and DescribeConfigs of topics.

/** What CreateTopics returns for a topic. */
export interface CreatedTopic {
  readonly code: number
  /** Error message of the broker; `null`: none. */
  readonly message: string | null
}

/** A topic to be created. */
export interface TopicToCreate {
  readonly name: string
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

/** CreateTopics, for the controller. Its results are in the order of `topics`. */
export function createTopics(
  topics: readonly TopicToCreate[],
  timeoutMs: number,
): Request<readonly CreatedTopic[]> {
  const asked = request(
    'CreateTopics',
    { version: 4, isFlexible: false },
    {
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
        from.throttle()
        const byName = new Map(
          from.array((t) => [t.string() ?? '', { code: t.int16(), message: t.string() }] as const),
        )
        return topics.map(({ name }) => byName.get(name) ?? { code: -1, message: null })
      },
    },
  )
  return { ...asked, waitsMs: timeoutMs }
}

/** What DescribeConfigs returns for a topic. */
export interface DescribedConfig {
  readonly code: number
  readonly topic: string
  readonly settings: ReadonlyMap<string, string>
}

const TOPIC = 2

/** DescribeConfigs: some settings of topics, by Kafka's names. */
export function describeConfigs(
  topics: readonly string[],
  settings: readonly string[],
): Request<readonly DescribedConfig[]> {
  return request(
    'DescribeConfigs',
    { version: 2, isFlexible: false },
    {
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
        from.throttle()
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
    },
  )
}
