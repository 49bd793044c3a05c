import { type Request, request } from './request.ts'

// Topics as a whole: making them, and their settings.

export interface CreatedTopic {
  readonly code: number
  /** The code in words; `null`: there are none. */
  readonly message: string | null
}

export interface TopicToCreate {
  readonly name: string
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

/** To be asked of the controller. Answers in the order of the topics. */
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
          // The broker chooses who gets which partition.
          to.array([], () => {})
          to.array(Object.entries(config), ([key, value]) => to.string(key).string(value))
        })
        // In earnest.
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

export interface DescribedConfig {
  readonly code: number
  readonly topic: string
  readonly settings: ReadonlyMap<string, string>
}

const TOPIC = 2

/** Some settings of topics, by Kafka's names. */
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
        // Without the other places where a setting may stand.
        to.boolean(false)
      },
      read: (from) => {
        from.throttle()
        return from.array((r) => {
          const code = r.int16()
          // The code in words, and what kind of thing it is of.
          r.string()
          r.int8()
          const topic = r.string() ?? ''
          const entries = r.array((c) => {
            const [name, value] = [c.string() ?? '', c.string() ?? '']
            // May it be changed, where it comes from, and is it a secret?
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
