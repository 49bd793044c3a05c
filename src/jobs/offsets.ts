import { firstUnread, groupActive } from '../connect/group-member.ts'
import type { Groups } from '../connect/groups.ts'
import type { Committed, LogPoint, PartitionOffsets, Topics } from '../connect/port.ts'
import { keepsState } from '../engine/plan.ts'
import { configFault, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import { grouped, someOf } from '../kernel/wording.ts'
import {
  type CheckpointMetadata,
  type ChosenVariants,
  encodeMetadata,
  metadataAt,
} from '../runtime/commit/checkpoint-metadata.ts'
import { checkPartitions } from '../runtime/commit/restart-plan.ts'
import type { Definition } from '../topology/definition.ts'

// The offsets that a group has committed: shown, and changed while it has no members. Counts are
// differences of offsets: markers of transactions are among them.

export interface OffsetsJob {
  readonly definition: Definition
  readonly group: string
  readonly records: Groups & Pick<Topics, 'describe' | 'missingRights' | 'offsetsSince'>
}

/** `skip`: to go on behind an offset that cannot be read · `copy`: into a group that has none. */
export type OffsetChange =
  | { readonly reset: LogPoint; readonly partitions: readonly number[] | null }
  | { readonly skip: { readonly partition: number; readonly offset: number } }
  | { readonly copy: string }

export interface GroupOffset extends PartitionOffsets {
  readonly lag: number
  /** The offset from which a restart reads again for windows; `null`: no note is beside the offset. */
  readonly windowsFrom: number | null
}

export type OffsetPlan = Awaited<ReturnType<typeof planOffsets>>

/** @throws Refused with every missing topic and right · TidemarkError `BROKER_UNAVAILABLE`, … */
export async function readOffsets(job: OffsetsJob): Promise<readonly GroupOffset[]> {
  const { topic } = job.definition.source
  const { group, records } = job
  const [rights, topics] = await Promise.all([
    missingRights(job, group, [topic]),
    records.describe([topic]),
  ])
  const hint = 'if it has another name, give that one: --topic'
  const missing = topics.has(topic)
    ? []
    : [new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`, { hint })]
  refuseIfAny([...rights, ...missing])
  const offsets = await records.offsets(group, topic)
  return offsets.map((each) => {
    const lag = each.endOffset - firstUnread(each)
    const checkpoint = noteOf(each.committed)?.topologies.get(job.definition.name)
    return { ...each, lag, windowsFrom: checkpoint?.from.offset ?? null }
  })
}

function missingRights({ records }: OffsetsJob, group: string, reads: readonly string[]) {
  return records.missingRights({ group, reads, writes: [], guarantee: 'at-least-once' })
}

function noteOf(committed: Committed | null) {
  return committed && metadataAt(committed)
}

/**
 * Plans a change: by partition from where, to where, how many offsets are scored again or never, and
 * how many are read for windows first, at most. `members`: of the groups that must have none.
 * @throws Refused with every fault of the change · TidemarkError `TOPIC_CHANGED` · as
 * {@link readOffsets}
 */
export async function planOffsets(job: OffsetsJob, change: OffsetChange) {
  const { definition, group, records } = job
  const { topic } = definition.source
  const offsets = new Map((await readOffsets(job)).map((offset) => [offset.partition, offset]))
  const count = (await records.describe([topic])).get(topic)?.partitions ?? 0
  const notes = [...offsets.values()].flatMap(({ committed }) => noteOf(committed) ?? [])
  const target = 'copy' in change ? change.copy : group
  const groups = [...new Set([group, target])]
  if (target !== group) refuseIfAny(await missingRights(job, target, []))
  const members = (await Promise.all(groups.map((name) => records.members(name)))).flat()
  const faults: TidemarkError[] = []
  const fault = (where: string, message: string, hint?: string) =>
    faults.push(configFault(message, where, hint))
  const owners = new Set(notes.flatMap(({ topologies }) => [...topologies.keys()]))
  if (owners.size > 0 && !owners.has(definition.name)) {
    const message = `the group is that of "${[...owners].join('", "')}", not of "${definition.name}"`
    fault(group, message, 'give the group of the topology: --group')
  }
  if ('copy' in change) {
    const others = await records.offsets(target, topic)
    if (target === group) fault(target, 'is the group itself')
    else if (others.some(({ committed }) => committed !== null)) {
      fault(target, 'the group has committed already', 'copy to a new one')
    }
  } else for (const { partitions } of notes) checkPartitions(topic, partitions, count)
  const variants = notes.find((note) => note.variants.size > 0)?.variants ?? new Map()
  const placeOf = await placing(job, change, offsets)
  const remarks: string[] = []
  const moves = partitionsOf(change, count).flatMap((partition) => {
    const name = partitionName({ topic, partition })
    const offset = offsets.get(partition)
    if (partition >= count) fault(name, `the topic has ${count} partitions`)
    else if (offset === undefined) {
      const message = 'no broker leads the partition now'
      faults.push(new TidemarkError('BROKER_UNAVAILABLE', message, { where: name }))
    }
    if (offset === undefined) return []
    const { lowOffset, endOffset, committed } = offset
    const { to, remark, wrong } = placeOf(offset)
    if (remark !== undefined) remarks.push(`${name}${remark}`)
    if (to === null) return []
    const isBehind = 'skip' in change && to <= (committed?.nextOffset ?? lowOffset)
    if (to < lowOffset || to > endOffset) {
      fault(`${name}@${to}`, `the log holds ${lowOffset} to ${endOffset}`)
    } else if (isBehind) fault(`${name}@${to}`, 'the group is there already, or behind it')
    else if (wrong !== undefined) fault(`${name}@${to - 1}`, wrong, SKIP_HINT)
    const kind = 'copy' in change ? 'copy' : 'skip' in change ? 'skip' : 'reset'
    const move = moveOf(offset, { to, kind, count, variants, definition })
    if (lowOffset > 0 && to - move.readForWindows <= lowOffset) {
      remarks.push(`${name} begins at ${lowOffset}: records before were deleted`)
    }
    return [move]
  })
  refuseIfAny(faults)
  owners.delete(definition.name)
  if (owners.size > 0) remarks.push(`the offsets are also those of ${[...owners].join(', ')}`)
  if (notes.length === 0)
    remarks.push(`group "${group}" has committed nothing with a note of windows`)
  const named = members.map(({ clientId, host }) => `${clientId} (${host})`)
  if (named.length > 0)
    remarks.push(`--execute is refused while the group has members: ${someOf(named)}`)
  return { group: target, topic, moves, notes: remarks, members: named }
}

/** @throws TidemarkError `GROUP_ACTIVE`: nothing has changed · `BROKER_UNAVAILABLE` */
export async function applyPlan({ records }: OffsetsJob, plan: OffsetPlan): Promise<void> {
  const { group, topic, moves, members } = plan
  if (members.length > 0) throw groupActive(group, members)
  const changed = moves
    .filter(({ isKept }) => !isKept)
    .map(({ partition, to: nextOffset, metadata }) => {
      return { topic, partition, nextOffset, metadata }
    })
  await records.setOffsets(group, changed)
}

function partitionsOf(change: OffsetChange, count: number): readonly number[] {
  if ('skip' in change) return [change.skip.partition]
  const all = Array.from({ length: count }, (_, partition) => partition)
  return 'reset' in change ? (change.partitions ?? all) : all
}

interface Placed {
  /** `null`: it stays. */
  readonly to: number | null
  readonly remark?: string
  /** Why it must not be set there. */
  readonly wrong?: string
}

const REREAD =
  'no note says where windows begin, so a rebuild would read the batch again: start the workers with --rebuild none'
const SKIP_HINT = 'PARTITION/OFFSET is in the hint of BATCH_CORRUPT, for the source of the topology'

/** Returns a function that says where a partition is set. */
async function placing(
  { definition, records }: OffsetsJob,
  change: OffsetChange,
  offsets: ReadonlyMap<number, GroupOffset>,
): Promise<(offset: GroupOffset) => Placed> {
  if ('copy' in change) return ({ committed }) => ({ to: committed?.nextOffset ?? null })
  if ('skip' in change) {
    const { partition, offset } = change.skip
    const { lowOffset = 0, endOffset = 0 } = offsets.get(partition) ?? {}
    const isInLog = lowOffset <= offset && offset < endOffset
    const at = { topic: definition.source.topic, partition, offset }
    const damaged = isInLog ? await records.damagedBatch(at) : null
    if (damaged === null) return () => ({ to: offset + 1, wrong: 'the batch there is not damaged' })
    const { offset: first, nextOffset: to } = damaged
    return ({ committed }) => {
      const good = first - firstUnread({ committed, lowOffset })
      const isNoted = noteOf(committed)?.topologies.has(definition.name) === true
      const remarks = [
        ...(good > 0 ? [`${grouped(good)} offsets before the batch are never scored either`] : []),
        ...(isNoted || !keepsState(definition) ? [] : [REREAD]),
      ]
      return { to, ...(remarks.length > 0 && { remark: `: ${remarks.join('; ')}` }) }
    }
  }
  const { reset } = change
  if (reset === 'earliest') return ({ lowOffset }) => ({ to: lowOffset })
  if (reset === 'latest') return ({ endOffset }) => ({ to: endOffset })
  if ('offset' in reset) return () => ({ to: reset.offset })
  const since = await records.offsetsSince(definition.source.topic, reset.timeMs)
  const remark = ` has no record at or after ${new Date(reset.timeMs).toISOString()}: its end`
  return (offset) => {
    const found = since.get(partitionName(offset)) ?? -1
    return found < 0 ? { to: offset.endOffset, remark } : { to: Math.max(found, offset.lowOffset) }
  }
}

interface Moving {
  readonly to: number
  readonly kind: 'reset' | 'skip' | 'copy'
  readonly count: number
  readonly variants: ChosenVariants
  readonly definition: Definition
}

/**
 * An offset that stays keeps its note; of another only the variants of the group are kept. Behind a
 * damaged batch, windows begin anew: a rebuild would read it again.
 */
function moveOf({ partition, committed, lowOffset }: GroupOffset, moving: Moving) {
  const { to, kind, count, variants, definition } = moving
  const from = committed?.nextOffset ?? null
  const note = noteOf(committed)
  const isSame = from === to && note?.partitions === count
  const checkpoint = isSame ? note.topologies.get(definition.name) : undefined
  const topologies = kind === 'skip' ? cutAt(to, note) : NO_TOPOLOGIES
  const left = { partitions: count, lastRecord: null, topologies, range: null, variants }
  const lost = variants.size + topologies.size === 0 ? '' : encodeMetadata(left)
  const distance = from === null || kind === 'copy' ? 0 : from - to
  const readFrom = topologies.get(definition.name) ?? checkpoint
  return {
    ...{ partition, from, to },
    scoredAgain: Math.max(0, distance),
    neverScored: Math.max(0, -distance),
    readForWindows: keepsState(definition) ? to - (readFrom?.from.offset ?? lowOffset) : 0,
    metadata: (isSame ? committed?.metadata : undefined) ?? lost,
    // It stays as it is, with the mark of the member that has committed it.
    isKept: isSame && kind !== 'copy',
  }
}

const NO_TOPOLOGIES: CheckpointMetadata['topologies'] = new Map()

/**
 * The checkpoints of windows that begin anew at an offset, and are marked as incomplete until the
 * first event there is a horizon old. Event times before it bound the watermark as they did.
 */
function cutAt(offset: number, note: CheckpointMetadata | null): CheckpointMetadata['topologies'] {
  const all = note?.topologies ?? NO_TOPOLOGIES
  return new Map(
    [...all].map(([name, checkpoint]) => {
      const from = { ...checkpoint.from, offset }
      return [name, { ...checkpoint, from, wholeFromMs: null }]
    }),
  )
}
