import { firstUnread } from '../connect/group-member.ts'
import type { GroupMember, Groups } from '../connect/groups.ts'
import type { PartitionOffsets, TopicInfo, Topics } from '../connect/port.ts'
import { download } from '../kernel/download.ts'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import { isJsonObject, jsonObject } from '../kernel/json.ts'
import { someOf } from '../kernel/wording.ts'
import { MOST_LISTED, type NumberedStatus } from '../observe/status.ts'
import { type TroubleKind, WORST_FIRST } from '../runtime/troubles.ts'
import type { Definition } from '../topology/definition.ts'
import { allTopics } from '../topology/graph.ts'

// The status of a group: as Kafka has it, and of its workers as they say it themselves.

const ANSWER_WITHIN_MS = 8_000
/** The status of 256 workers. */
const MOST_BYTES = 2 ** 26

export interface GroupStatusJob {
  readonly group: string
  readonly definitions: readonly Definition[]
  readonly records: Groups & Pick<Topics, 'describe'>
  /** Where workers serve HTTP. */
  readonly urls: readonly URL[]
  /** The token of those who may ask them; `null`: none is needed. */
  readonly token: string | null
}

export type GroupStatus = Awaited<ReturnType<typeof readGroupStatus>>
type GroupPartition = ReturnType<typeof partitionsOf>[number]

/** Reads the status; a Kafka or a worker that is away is a finding, and no error. */
export async function readGroupStatus(job: GroupStatusJob) {
  const asking = Promise.all(job.urls.map((url) => askWorkers(url, job.token)))
  const kafka = await readKafka(job).catch((thrown: unknown) => {
    if (!(thrown instanceof TidemarkError) || thrown.action === 'crash') throw thrown
    const fault = `${thrown.code}  ${thrown.message}`
    return { members: null, partitions: null, problems: [], fault }
  })
  const answers = await asking
  const asked = [...('fault' in kafka ? [{ url: 'Kafka', fault: kafka.fault }] : []), ...answers]
  const unanswered = asked.flatMap(({ url, fault }) => (fault === null ? [] : [{ url, fault }]))
  const workers = answers.flatMap(({ url, workers: all }) => all.map((each) => ({ url, ...each })))
  const { members, partitions, problems } = kafka
  return { group: job.group, members, partitions, problems, workers, unanswered }
}

/** The status of the group; the worst partitions are those without an owner, then the longest lag. */
async function readKafka({ group, definitions, records }: GroupStatusJob) {
  const topics = [...new Set(definitions.flatMap((definition) => [...allTopics(definition)]))]
  const sources = [...new Set(definitions.map(({ source }) => source.topic))]
  const [members, described] = await Promise.all([records.members(group), records.describe(topics)])
  const read = sources.flatMap((topic) => described.get(topic) ?? [])
  const offsets = await Promise.all(read.map(({ name }) => records.offsets(group, name)))
  const partitions = partitionsOf(offsets.flat(), members)
  const missing = topics.filter((topic) => !described.has(topic))
  return {
    members: members.map(({ clientId, host, partitions: owned }) => {
      return { worker: clientId, host, partitions: owned.length }
    }),
    problems: [
      ...problemsIn(missing, 'the topic does not exist', 'unreadable'),
      ...problemsOf(read, partitions, members),
    ].toSorted((a, b) => WORST_FIRST.indexOf(a.kind) - WORST_FIRST.indexOf(b.kind)),
    partitions: {
      count: partitions.length,
      lag: partitions.reduce((sum, { lag }) => sum + lag, 0),
      worst: partitions.slice(0, MOST_LISTED),
    },
  }
}

function partitionsOf(offsets: readonly PartitionOffsets[], members: readonly GroupMember[]) {
  const owners = new Map(
    members.flatMap(({ clientId, partitions }) =>
      partitions.map((partition) => [partitionName(partition), clientId] as const),
    ),
  )
  const all = offsets.map(({ committed, lowOffset, endOffset, ...place }) => {
    const lag = endOffset - firstUnread({ committed, lowOffset })
    const name = partitionName(place)
    const range = { committed: committed?.nextOffset ?? null, low: lowOffset, end: endOffset, lag }
    return { ...place, name, owner: owners.get(name) ?? null, ...range }
  })
  return all.toSorted(
    (a, b) => Number(a.owner !== null) - Number(b.owner !== null) || b.lag - a.lag,
  )
}

function problemsOf(
  topics: readonly TopicInfo[],
  partitions: readonly GroupPartition[],
  members: readonly GroupMember[],
) {
  const isLed = new Set(partitions.map(({ name }) => name))
  const all = topics.flatMap(({ name: topic, partitions: count }) =>
    Array.from({ length: count }, (_, partition) => partitionName({ topic, partition })),
  )
  const unowned = members.length === 0 ? [] : partitions.filter(({ owner }) => owner === null)
  const cut = partitions.filter(({ committed, low }) => committed !== null && committed < low)
  const namesOf = (some: readonly GroupPartition[]) => some.map(({ name }) => name)
  return [
    ...problemsIn(members.length === 0 ? ['the group'] : [], 'has no member', 'unavailable'),
    ...problemsIn(
      all.filter((name) => !isLed.has(name)),
      'no broker leads it',
      'unreadable',
    ),
    ...problemsIn(namesOf(unowned), 'no member owns it', 'rebalance'),
    ...problemsIn(namesOf(cut), 'records were deleted before they were read', 'unreadable'),
  ]
}

/** Something that is wrong with the group itself, and where its cure is. */
function problemsIn(names: readonly string[], fault: string, kind: TroubleKind) {
  if (names.length === 0) return []
  return [{ kind, reason: `${someOf(names)}: ${fault}`, section: `docs/runbook.md#${kind}` }]
}

/** Asks a worker; one that does not answer is a finding, and no error. */
async function askWorkers(url: URL, token: string | null) {
  const limits = {
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    budget: { left: MOST_BYTES },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }
  try {
    const text = (await download(new URL('status', url), limits)).toString()
    const { workers } = jsonObject(text) ?? {}
    if (Array.isArray(workers) && workers.every(isStatus)) {
      return { url: url.host, workers, fault: null }
    }
    throw new Error('it does not answer with the status of workers')
  } catch (thrown) {
    return { url: url.host, workers: [], fault: messageOf(thrown) }
  }
}

/** Whether it has the parts that are shown; others may be of another version. */
function isStatus(value: unknown): value is NumberedStatus {
  if (!isJsonObject(value)) return false
  const { state, troubles, partitions, topologies } = value
  const areListed = (list: unknown) =>
    isJsonObject(list) && Array.isArray(list['worst']) && list['worst'].every(isJsonObject)
  if (typeof state !== 'string' || !Array.isArray(topologies)) return false
  return areListed(troubles) && areListed(partitions)
}
