import kafkajs from 'kafkajs'
import { configFault, TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { groupActive } from '../../group-member.ts'
import type { DamagedBatch, GroupMember } from '../../groups.ts'
import type {
  Committed,
  Needs,
  NewTopic,
  PartitionOffsets,
  TopicInfo,
  TopicPartition,
} from '../../port.ts'
import type { Brokers } from '../client/brokers.ts'
import {
  groupRefusal,
  isUnavailable,
  notAllowed,
  notCoordinated,
  partitionRefusal,
  unavailable,
  withoutLeader,
} from '../client/errors.ts'
import { repeated } from '../client/waiting.ts'
import { damagedBatch, readPartition } from '../consume/partition-reads.ts'
import { createTopics, describeConfigs, type TopicMetadata } from '../wire/cluster.ts'
import { type LogEnd, listOffsets } from '../wire/fetch.ts'
import { describeGroup, type FetchedOffset } from '../wire/groups.ts'
import { tryTransactionalId } from '../wire/produce.ts'
import { CODE, type Coded, hasMoved, isDenied, nameOfCode } from '../wire/protocol.ts'
import { GroupOffsets, readMark } from './group-offsets.ts'

const { MemberAssignment } = kafkajs.AssignerProtocol
/** Whose commits a group accepts only while it has no members. */
const NO_MEMBER = { generationId: -1, memberId: '' }

const SETTINGS = [
  'max.message.bytes',
  'segment.bytes',
  'message.timestamp.type',
  'message.timestamp.after.max.ms',
  'message.timestamp.before.max.ms',
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
] as const

const CREATE_WITHIN_MS = 10_000
const ELECTION_MS = 1_000
const KNOWN_MS = 2_000
const RETRY_MS = 100
const VISIBLE_MS = 5_000
const VISIBLE_RETRY_MS = 50

export type Range = Omit<PartitionOffsets, 'committed'>

/** @param offsets committed ones, by partition name */
export function partitionOffsetsOf(
  range: Range,
  offsets: ReadonlyMap<string, FetchedOffset>,
  group: string,
): PartitionOffsets {
  const fetched = offsets.get(partitionName(range))
  if (fetched === undefined || fetched.offset < 0) return { ...range, committed: null }
  const { metadata } = readMark(fetched.metadata, group)
  return { ...range, committed: { nextOffset: fetched.offset, metadata } }
}

/** Asks about the cluster over connections that are opened when first used and after a failure. */
export class KafkaAdmin {
  readonly #open: () => Brokers
  #brokers: Brokers | null = null
  #isClosed = false

  constructor(open: () => Brokers) {
    this.#open = open
  }

  missingRights(needs: Needs, transactionalId: string | null): Promise<TidemarkError[]> {
    return this.#ask((brokers) => missingRights(brokers, needs, transactionalId))
  }

  async describe(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const described = await this.#ask((brokers) => describe(brokers, names))
    const wanted = described.filter(({ partitions }) => partitions.length > 0)
    const topics = wanted.map(({ topic }) => topic)
    const settings = await this.#ask((brokers) => settingsOf(brokers, topics))
    return new Map(wanted.map((info) => [info.topic, infoOf(info, settings.get(info.topic))]))
  }

  async create(specs: readonly NewTopic[]): Promise<void> {
    await this.#ask(async (brokers) => {
      const answers = await brokers.askController(createTopics(specs, CREATE_WITHIN_MS))
      for (const [i, answer] of answers.entries()) {
        refuseUnlessMade((specs[i] as NewTopic).name, answer.code, answer.message)
      }
    })
    for (const { name } of specs) {
      if (await this.#ask((brokers) => isVisible(brokers, name))) continue
      throw unavailable(`topic "${name}" was created, but its partitions have no leaders yet`)
    }
  }

  readAll(partition: TopicPartition) {
    return this.#ask(async (brokers) => {
      await brokers.learn([partition.topic])
      const lowOffset = (await endsOf(brokers, [partition], 'low')).get(partitionName(partition))
      if (lowOffset === undefined) throw withoutLeader(partition)
      return readPartition(brokers, partition, lowOffset)
    })
  }

  async offsets(group: string, topic: string): Promise<PartitionOffsets[]> {
    const ranges = await this.ranges(topic)
    const committed = await this.#ask((brokers) => new GroupOffsets(brokers, group).latest(ranges))
    return ranges.map((range) => partitionOffsetsOf(range, committed, group))
  }

  members(group: string): Promise<GroupMember[]> {
    return this.#ask(async (brokers) => {
      const key = { type: 'group', id: group } as const
      const { code, members } = await brokers.askCoordinator(key, describeGroup(group))
      if (code !== CODE.NONE)
        throw (
          groupRefusal(code, group) ?? unavailable(`the group answered with ${nameOfCode(code)}`)
        )
      return members.map(({ memberId, clientId, clientHost, assignment }) => {
        const decoded = MemberAssignment.decode(assignment)?.assignment ?? {}
        const partitions = Object.entries(decoded).flatMap(([topic, all]) =>
          all.map((partition) => ({ topic, partition })),
        )
        return { id: memberId, clientId, host: clientHost.replace(/^\//, ''), partitions }
      })
    })
  }

  async setOffsets(group: string, offsets: readonly (TopicPartition & Committed)[]): Promise<void> {
    const all = offsets.map(({ nextOffset, ...rest }) => ({ ...rest, offset: nextOffset }))
    try {
      await this.#ask((brokers) => new GroupOffsets(brokers, group).commit(NO_MEMBER, all))
    } catch (error) {
      const { code } = error as TidemarkError
      throw code === 'FENCED' || code === 'REBALANCING' ? groupActive(group) : error
    }
  }

  damagedBatch(at: TopicPartition & { readonly offset: number }): Promise<DamagedBatch | null> {
    return this.#ask(async (brokers) => {
      await brokers.learn([at.topic])
      return damagedBatch(brokers, at)
    })
  }

  /**
   * Ranges of a topic's partitions up to the last stable offset. A partition without a leader is
   * left out, because its end is not known.
   * @throws TidemarkError `TOPIC_MISSING` · as {@link Brokers.ask}
   */
  ranges(topic: string): Promise<Range[]> {
    return this.#ask(async (brokers) => {
      await brokers.learn([topic])
      await brokers.refresh()
      brokers.map.refuseUnusable(topic)
      const all = brokers.map.partitionsOf(topic).map((partition) => ({ topic, partition }))
      const low = await endsOf(brokers, all, 'low')
      const stable = await endsOf(brokers, all, 'stable')
      return all.flatMap((partition) => {
        const lowOffset = low.get(partitionName(partition))
        const endOffset = stable.get(partitionName(partition))
        if (lowOffset === undefined || endOffset === undefined) return []
        return [{ ...partition, lowOffset, endOffset }]
      })
    })
  }

  /** By partition name, the first offset at or after a time (ms since the epoch); −1: none. */
  offsetsSince(topic: string, timeMs: number): Promise<Map<string, number>> {
    return this.#ask(async (brokers) => {
      await brokers.learn([topic])
      const all = brokers.map.partitionsOf(topic).map((partition) => ({ topic, partition }))
      return endsOf(brokers, all, timeMs)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#brokers?.close()
    this.#brokers = null
  }

  /** @param idle whether the connection may be dead unnoticed: then the request is repeated */
  async #ask<T>(
    question: (brokers: Brokers) => Promise<T>,
    idle: boolean = this.#brokers !== null,
  ): Promise<T> {
    if (this.#isClosed) throw unavailable('the driver is closed')
    this.#brokers ??= this.#open()
    const brokers = this.#brokers
    try {
      await brokers.connect()
      return await question(brokers)
    } catch (error) {
      if (!isUnavailable(error)) throw error
      if (this.#brokers === brokers) this.#brokers = null
      brokers.close()
      if (idle) return this.#ask(question, false)
      throw error
    }
  }
}

function refuseUnlessMade(name: string, code: number, message: string | null): void {
  if (code === CODE.NONE || code === CODE.TOPIC_ALREADY_EXISTS) return
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) throw notAllowed('CREATE', 'topic', name)
  const isTemporary = code === CODE.NOT_CONTROLLER || code === CODE.REQUEST_TIMED_OUT
  const fault = `topic "${name}" cannot be created: ${message ?? nameOfCode(code)}`
  throw isTemporary ? unavailable(fault) : configFault(fault)
}

function isLed([topic]: readonly TopicMetadata[]): boolean {
  if (topic === undefined || topic.code !== CODE.NONE) return false
  return topic.partitions.length > 0 && topic.partitions.every(({ leader }) => leader >= 0)
}

/** Describes topics. Waits a moment for leaders, because a topic that was just created has none. */
async function describe(brokers: Brokers, names: readonly string[]) {
  const limit = { everyMs: RETRY_MS, forMs: ELECTION_MS, clock: brokers.clock }
  const isElected = ({ code }: TopicMetadata) => code !== CODE.LEADER_NOT_AVAILABLE
  const areElected = (answer: readonly TopicMetadata[]) => answer.every(isElected)
  const topics = await repeated(limit, () => brokers.describe(names), areElected)
  const denied = topics.find(({ code }) => code === CODE.TOPIC_AUTHORIZATION_FAILED)
  if (denied !== undefined) throw notAllowed('DESCRIBE', 'topic', denied.topic)
  return topics
}

/** Settings by topic; topics whose settings the user may not read are left out. */
async function settingsOf(brokers: Brokers, names: readonly string[]) {
  if (names.length === 0) return new Map<string, ReadonlyMap<string, string>>()
  // A broker other than the one that described the topics may not know a new topic yet.
  const isThere = ({ code }: Coded) => code !== CODE.UNKNOWN_TOPIC_OR_PARTITION
  const { configs } = await repeated(
    { everyMs: RETRY_MS, forMs: KNOWN_MS, clock: brokers.clock },
    () => brokers.askAny(describeConfigs(names, SETTINGS)),
    (answer) => answer.configs.every(isThere),
  )
  const readable = configs.filter(({ code }) => code === CODE.NONE)
  return new Map(readable.map(({ topic, settings }) => [topic, settings]))
}

/** Waits a while for the partitions of a new topic to have leaders. */
async function isVisible(brokers: Brokers, name: string): Promise<boolean> {
  const limit = { everyMs: VISIBLE_RETRY_MS, forMs: VISIBLE_MS, clock: brokers.clock }
  return isLed(await repeated(limit, () => brokers.describe([name]), isLed))
}

/** One end of each partition's log, by partition name; partitions without a leader are left out. */
async function endsOf(brokers: Brokers, partitions: readonly TopicPartition[], end: LogEnd) {
  const ends = new Map<string, number>()
  const { clock } = brokers
  const deadlineMs = clock.elapsedMs() + ELECTION_MS
  for (let left = partitions; ; ) {
    const answers = await Promise.all(
      [...brokers.map.byLeader(left)].map(([leader, share]) => {
        const led = share.map((p) => ({ ...p, leaderEpoch: brokers.map.leaderEpochOf(p) }))
        return brokers.ask(leader, listOffsets(led, end)).catch(away)
      }),
    )
    for (const { topic, partition, code, offset } of answers.flat()) {
      if (code === CODE.NONE) ends.set(partitionName({ topic, partition }), offset)
      else if (!hasMoved(code)) {
        const asked = { operation: 'DESCRIBE', subject: 'the end of' } as const
        throw partitionRefusal(code, { topic, partition }, asked)
      }
    }
    left = left.filter((partition) => !ends.has(partitionName(partition)))
    if (left.length === 0 || clock.elapsedMs() > deadlineMs) return ends
    await clock.sleep(RETRY_MS)
    await brokers.refresh()
  }
}

/** Treats a leader that does not answer as missing: its partitions may get another one. */
function away(error: unknown): readonly never[] {
  if (isUnavailable(error)) return []
  throw error
}

function infoOf(
  { topic: name, id, partitions }: TopicMetadata,
  settings: ReadonlyMap<string, string> | undefined,
): TopicInfo {
  const numberOf = (setting: (typeof SETTINGS)[number]) => {
    const text = settings?.get(setting)
    return text === undefined ? null : Number(text)
  }
  const type = settings?.get('message.timestamp.type')
  const cleanup = settings?.get('cleanup.policy')?.split(',')
  const ageMs = numberOf('retention.ms')
  const hasAgeOnly = ageMs !== -1 && numberOf('retention.bytes') === -1
  return {
    name,
    id,
    partitions: partitions.length,
    maxMessageBytes: numberOf('max.message.bytes'),
    segmentBytes: numberOf('segment.bytes'),
    timestampType: type === 'CreateTime' || type === 'LogAppendTime' ? type : null,
    timestampAfterMaxMs: numberOf('message.timestamp.after.max.ms'),
    timestampBeforeMaxMs: numberOf('message.timestamp.before.max.ms'),
    isCompacted: cleanup?.includes('compact') ?? null,
    isTrimmed: cleanup?.includes('delete') ?? null,
    retentionMs: hasAgeOnly ? ageMs : null,
  }
}

const BITS = { READ: 3, WRITE: 4 } as const

/** Returns an error for each missing right that brokers report. Changes nothing. */
async function missingRights(
  brokers: Brokers,
  { reads, writes, group }: Needs,
  transactionalId: string | null,
): Promise<TidemarkError[]> {
  const topics = await brokers.describe([...new Set([...reads, ...writes])])
  const described = new Map(topics.map((topic) => [topic.topic, topic]))
  const ofTopics = (operation: keyof typeof BITS, names: readonly string[]) =>
    names
      .filter((name) => lacks(described.get(name), operation))
      .map((name) => notAllowed(operation, 'topic', name))
  const groupId = { type: 'group', id: group } as const
  const asked = [
    missingRight(brokers.askCoordinator(groupId, describeGroup(group)), (answer) =>
      lacks(answer, 'READ') ? notCoordinated(groupId) : null,
    ),
  ]
  if (transactionalId !== null) {
    const key = { type: 'transaction', id: transactionalId } as const
    const trying = brokers.askCoordinator(key, tryTransactionalId(transactionalId))
    asked.push(missingRight(trying, ({ code }) => (isDenied(code) ? notCoordinated(key) : null)))
  }
  const others = await Promise.all(asked)
  return [
    ...ofTopics('READ', reads),
    ...ofTopics('WRITE', writes),
    ...others.filter((fault) => fault !== null),
  ]
}

function lacks(
  described: Pick<TopicMetadata, 'code' | 'operations'> | undefined,
  operation: keyof typeof BITS,
): boolean {
  if (described === undefined) return false
  const { code, operations } = described
  const isReported = operations >= 0
  return isDenied(code) || (isReported && (operations & (1 << BITS[operation])) === 0)
}

/** The missing right that an answer or the search for the coordinator shows; `null`: none. */
async function missingRight<T>(asking: Promise<T>, faultOf: (answer: T) => TidemarkError | null) {
  try {
    return faultOf(await asking)
  } catch (error) {
    if (error instanceof TidemarkError && error.code === 'AUTHORIZATION') return error
    throw error
  }
}
