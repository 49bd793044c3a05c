import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { TopicInfo } from '../records/port.ts'
import type { Definition } from '../topology/definition.ts'
import { outputTopics, shadowTopics, tableTopics } from '../topology/graph.ts'

// What is checked of topics before anything is consumed (rule S2).

/** The smallest limit, bytes: below it not even a dead letter without its value fits. */
const SMALLEST_MAX_BYTES = 4_096

/** What {@link checkTopics} has found. */
export interface TopicCheck {
  readonly faults: readonly TidemarkError[]
  readonly notes: readonly string[]
}

/**
 * Checks the topics of one topology.
 * @param brokers for the command that creates a missing topic
 */
export function checkTopics(
  definition: Definition,
  topics: ReadonlyMap<string, TopicInfo>,
  brokers: string,
): TopicCheck {
  const { source } = definition
  const known = topics.get(source.topic)
  const partitions = known?.partitions ?? 6
  const faults: TidemarkError[] = []
  const notes = known === undefined ? [] : guardNotes(definition, known)
  const shadows = shadowTopics(definition)
  for (const name of [source.topic, ...outputTopics(definition), ...tableTopics(definition)]) {
    const create = `kafka-topics.sh --bootstrap-server ${brokers} --create --topic ${name} --partitions ${partitions}`
    const fault = topicFault(name, topics.get(name), { where: definition.name, create })
    if (fault === null) continue
    if (!shadows.includes(name)) faults.push(fault)
    else
      notes.push(
        `${definition.name}: no scores of a shadow are written: ${fault.message}; ${fault.hint}`,
      )
  }
  if (known?.isCompacted === true) {
    const what = `topic "${known.name}" is compacted (cleanup.policy): the broker deletes records that windows need`
    const hint =
      'read a topic with cleanup.policy=delete; a compacted one holds the newest record of each key only'
    faults.push(new TidemarkError('TOPIC_COMPACTED', what, { where: definition.name, hint }))
  }
  faults.push(...tableFaults(definition, topics))
  return { faults, notes }
}

/** What keeps a topic from being used; `null`: nothing does. @param o `create`: how it is made */
function topicFault(
  name: string,
  topic: TopicInfo | undefined,
  { where, create }: { readonly where: string; readonly create: string },
): TidemarkError | null {
  if (topic === undefined) {
    const what = `topic "${name}" does not exist`
    return new TidemarkError('TOPIC_MISSING', what, { where, hint: create })
  }
  if (topic.maxMessageBytes === null || topic.maxMessageBytes >= SMALLEST_MAX_BYTES) return null
  const what = `topic "${name}" takes only ${topic.maxMessageBytes} bytes (max.message.bytes)`
  const hint = `set its max.message.bytes to ${SMALLEST_MAX_BYTES} or more; 1048588 is Kafka's own`
  return new TidemarkError('TOPIC_LIMITS', what, { where, hint })
}

/** A compacted topic keeps one version of each record key only. */
function tableFaults(
  { name, tables }: Definition,
  topics: ReadonlyMap<string, TopicInfo>,
): TidemarkError[] {
  return tables.flatMap((table) => {
    const topic = topics.get(table.from.topic ?? '')
    if (table.asOf === null || table.key !== null || topic?.isCompacted !== true) return []
    const what = `topic "${topic.name}" is compacted (cleanup.policy): the broker deletes versions that table "${table.name}" needs for asOf`
    const hint =
      'set cleanup.policy=delete; or let the key of a record name its version, and give the key of the row with `key`'
    return [new TidemarkError('TOPIC_COMPACTED', what, { where: name, hint })]
  })
}

/**
 * The future guard trusts the record's timestamp, which a producer may set freely unless the topic
 * bounds it.
 */
function guardNotes({ name, source }: Definition, topic: TopicInfo): string[] {
  const { maxAheadMs } = source.watermark
  const isRecords = source.eventTimeMs === 'record'
  if (isRecords && topic.timestampType === 'LogAppendTime') return []
  if (maxAheadMs === 'none') {
    return [
      `${name}: watermark.maxAhead is off: one clock far ahead makes the rest of its partition late`,
    ]
  }
  const after = topic.timestampAfterMaxMs
  if (topic.timestampType !== 'CreateTime' || (after !== null && after <= maxAheadMs)) return []
  const bound = after === null ? 'unknown' : after > 1e14 ? 'unbounded' : formatDuration(after)
  const takes = `topic "${topic.name}" takes timestamps from producers (message.timestamp.after.max.ms: ${bound})`
  const danger = isRecords
    ? `they are the event times, so the future guard of ${formatDuration(maxAheadMs)} is void: one clock far ahead makes the rest of its partition late`
    : `a producer that copies a wrong event time there passes the future guard of ${formatDuration(maxAheadMs)}`
  return [`${name}: ${takes}; ${danger}`]
}
