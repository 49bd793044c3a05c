import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { metadataOf, until } from '../services/cluster.ts'
import { balanceLeaders, moveLeaders } from '../services/cluster-changes.ts'
import type { KafkaNode, OwnKafka } from '../services/from-maven.ts'
import type { Ground } from '../soak/course.ts'
import { topicNames } from '../soak/topics.ts'
import type { Entry, VerbName } from './schedule.ts'
import type { Verb } from './verb.ts'

// Nodes that end, stand still, or give their partitions away.

/** The others learn after 3 s that a node is gone. */
const MISSED_WITHIN_MS = 20_000
const INTERNAL = ['__consumer_offsets', '__transaction_state']
const DISK_FULL = /No space left on device/

type NodeVerb = Extract<
  VerbName,
  'kill node' | 'pause node' | 'restart node' | 'move leaders' | 'fill disk'
>

export const nodeVerbs: Readonly<Record<NodeVerb, Verb>> = {
  'kill node': goneFor(
    (node) => node.tell('kill'),
    (node) => node.restart(),
  ),
  'restart node': goneFor(
    (node) => node.tell('halt'),
    (node) => node.restart(),
  ),
  'pause node': goneFor(
    async (node) => node.pause(),
    async (node) => node.resume(),
  ),
  'move leaders': async (ground) => {
    const { kafka } = ownKafka(ground)
    const [address = ''] = kafka.service.brokers
    const moved = await moveLeaders(address, [...topicNames(ground.group), ...INTERNAL])
    await kafka.inSync()
    return `${moved} partitions are led by another node, those of groups and transactions as well`
  },
  'fill disk': async (ground, entry) => {
    const { kafka, node } = nodeOf(ground, entry)
    const before = logOf(node).length
    await node.tell('fill')
    try {
      await missed(kafka, node)
    } finally {
      await node.tell('free')
      await node.tell('kill')
      await node.restart()
    }
    await whole(kafka)
    if (!DISK_FULL.test(logOf(node).slice(before))) throw new Error('its disk was not full')
    return 'it ended with "No space left on device"'
  },
}

/** One that is gone, is missed by the others, and comes back. */
function goneFor(
  go: (node: KafkaNode) => Promise<void>,
  comeBack: (node: KafkaNode) => Promise<void>,
): Verb {
  return async (ground, entry) => {
    const { kafka, node } = nodeOf(ground, entry)
    const startMs = performance.now()
    await go(node)
    try {
      await missed(kafka, node)
      await sleep(entry.lastsS * 1_000)
    } finally {
      await comeBack(node)
    }
    const goneS = (performance.now() - startMs) / 1_000
    await whole(kafka)
    return `the others missed it, and it was back after ${goneS.toFixed(1)} s`
  }
}

/** Resolves when all replicas are in sync, and each node leads what it did. */
async function whole(kafka: OwnKafka): Promise<void> {
  await kafka.inSync()
  await balanceLeaders(kafka.service.brokers[0] ?? '')
}

async function missed(kafka: OwnKafka, node: KafkaNode): Promise<void> {
  const others = kafka.nodes.filter(({ id }) => id !== node.id)
  const isMissed = async () => {
    const known = await Promise.all(others.map(({ address }) => metadataOf(address)))
    return known.every(({ nodes }) => !nodes.has(node.id))
  }
  await until('missed by the others', isMissed, MISSED_WITHIN_MS)
}

function nodeOf(ground: Ground, { target }: Entry): { kafka: OwnKafka; node: KafkaNode } {
  const { kafka } = ownKafka(ground)
  return { kafka, node: kafka.node(Number(/\d+/.exec(target)?.[0])) }
}

function ownKafka({ options: { kafka } }: Ground): { kafka: OwnKafka } {
  if (kafka === null) throw new Error('these nodes are not ours')
  return { kafka }
}

function logOf(node: KafkaNode): string {
  return readFileSync(join(node.dir, 'broker.log'), 'utf8')
}
