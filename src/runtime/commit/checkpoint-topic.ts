import type { NewTopic, TopicInfo } from '../../connect/port.ts'
import { keepsState } from '../../engine/plan.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Definition } from '../../topology/definition.ts'
import { outputTopics, shadowTopics } from '../../topology/graph.ts'
import { MOST_BLOCK_BYTES } from './skipped-records.ts'

// The topic in which a group writes down the facts that a replay cannot find out (rule R9). A worker makes
// it: nobody else reads or writes it.

/** Names of topics as brokers accept them. */
const NAME = /^[a-zA-Z0-9._-]{1,249}$/

/** Small segments are compacted sooner, and read quickly. */
const SETTINGS = { 'cleanup.policy': 'compact', 'segment.bytes': String(16 * 2 ** 20) }

/** The name of the topic; `null`: the topology has nothing to write down. */
export function checkpointTopic(definition: Definition, group: string): string | null {
  const { name, source } = definition
  const isNeeded = source.format.is === 'registry' && keepsState(definition)
  return isNeeded ? `${group}.${name}.checkpoint` : null
}

/** The topics that a worker commits to for a topology. */
export function committedTopics(definition: Definition, group: string): string[] {
  const shadows = shadowTopics(definition)
  const topic = checkpointTopic(definition, group)
  const outputs = outputTopics(definition).filter((name) => !shadows.includes(name))
  return topic === null ? outputs : [...outputs, topic]
}

export function newCheckpointTopic(name: string, source: TopicInfo): NewTopic {
  return { name, partitions: source.partitions, replicas: -1, config: SETTINGS }
}

/** Faults of its name, before brokers are asked for it. */
export function nameFaults(definition: Definition, group: string): TidemarkError[] {
  const topic = checkpointTopic(definition, group)
  if (topic === null || NAME.test(topic)) return []
  const message = `"${topic}" cannot be the name of a topic, which this topology needs: at most 249 of a-z A-Z 0-9 . _ -`
  const hint = 'choose another name for the group (--group) or for the topology'
  return [new TidemarkError('CHECKPOINT_TOPIC', message, { where: definition.name, hint })]
}

/** Faults of a topic that is there already. */
export function checkpointFaults(topic: TopicInfo, source: TopicInfo): TidemarkError[] {
  const { name, partitions, isCompacted, isTrimmed, maxMessageBytes } = topic
  const faults: TidemarkError[] = []
  const cannotKeep = (reason: string, setting: string) => {
    const hint = `kafka-configs.sh --alter --entity-type topics --entity-name ${name} --add-config ${setting}`
    faults.push(fault(`topic "${name}" cannot keep what a replay has to know: ${reason}`, hint))
  }
  if (isCompacted === false || isTrimmed === true) {
    cannotKeep('its records would be deleted for their age', 'cleanup.policy=compact')
  }
  if (maxMessageBytes !== null && maxMessageBytes < MOST_BLOCK_BYTES) {
    cannotKeep(`it takes only ${maxMessageBytes} bytes`, 'max.message.bytes=1048588')
  }
  if (partitions !== source.partitions) {
    const message = `topic "${name}" has ${partitions} partitions, and "${source.name}" has ${source.partitions}`
    faults.push(
      fault(message, 'delete it with all workers of the group stopped: a worker makes it'),
    )
  }
  return faults
}

function fault(message: string, hint: string): TidemarkError {
  return new TidemarkError('CHECKPOINT_TOPIC', message, { hint })
}
