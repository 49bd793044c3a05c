import { offsetAt } from '../../connect/group-member.ts'
import type { LogPoint, PartitionOffsets, Records, Start, TopicInfo } from '../../connect/port.ts'
import { configFault, refuseIfAny, TidemarkError } from '../../kernel/errors.ts'
import { partitionName, position } from '../../kernel/ids.ts'
import { metadataAt, type NotedRange } from '../commit/checkpoint-metadata.ts'
import type { ClusterCheck } from './cluster-check.ts'

// A bounded range of a topic, which a group reads instead of all of it (rule S4). Where it begins
// and ends in a partition is found by the first worker that gets the partition, and kept in its
// note, so that all others read the same part however the topic grows.

/** The part of a topic from one point up to another, which is not in it. */
export interface LogRange {
  readonly from: LogPoint
  readonly to: LogPoint
}

const NONE: ReadonlyMap<string, number> = new Map()

export class BoundedRange {
  readonly #range: LogRange
  readonly #asked: string
  readonly #topic: string
  #partitions = 0
  /** By partition name, the range when this worker started; notes take precedence. */
  #found: ReadonlyMap<string, NotedRange & { readonly start: number }> = new Map()

  constructor(range: LogRange, topic: string) {
    this.#range = range
    this.#asked = rangeInWords(range)
    this.#topic = topic
  }

  /** By partition name, where partitions without a committed offset begin. */
  get starts(): ReadonlyMap<string, number> {
    return new Map([...this.#found].map(([name, { start }]) => [name, start]))
  }

  /**
   * Finds the range as it is now.
   * @throws Refused: `CONFIG_INVALID` for each other range that the group reads, and each partition
   * whose beginning is no longer in the log · TidemarkError `BROKER_UNAVAILABLE`
   */
  async find(
    records: Records,
    { topics, partitionOffsets }: Pick<ClusterCheck, 'topics' | 'partitionOffsets'>,
    nowMs: number,
  ): Promise<void> {
    const topic = topics.get(this.#topic) as TopicInfo
    this.#partitions = topic.partitions
    const { from, to } = this.#range
    const since = async (point: LogPoint) =>
      typeof point === 'object' && 'timeMs' in point
        ? records.topics.offsetsSince(this.#topic, point.timeMs)
        : NONE
    const [sinceFrom, sinceTo] = await Promise.all([since(from), since(to)])
    const isLed = (offsets: PartitionOffsets) =>
      [sinceFrom, sinceTo].every((found) => found === NONE || found.has(partitionName(offsets)))
    const led = partitionOffsets.filter(isLed)
    if (led.length < this.#partitions) {
      const message = `${this.#partitions - led.length} of ${this.#partitions} partitions of "${this.#topic}" have no leader`
      throw new TidemarkError('BROKER_UNAVAILABLE', message)
    }
    this.#found = new Map(
      led.map((offsets) => {
        const end = offsetAt(to, offsets, sinceTo)
        const start = Math.min(offsetAt(from, offsets, sinceFrom), end)
        return [partitionName(offsets), { start, end, asked: this.#asked }]
      }),
    )
    const cut = led.filter(
      (offsets) => offsets.committed === null && this.#isCut(offsets, topic, nowMs),
    )
    const others = led.flatMap(({ committed, ...at }) =>
      committed === null ? [] : (this.#faultOf({ ...at, ...committed }) ?? []),
    )
    // The partitions of a group mostly have one range.
    const distinct = new Map(others.map((fault) => [fault.message, fault]))
    refuseIfAny([...distinct.values(), ...cut.map((offsets) => cutFault(offsets, from))])
  }

  /**
   * Returns the range of a partition that is assigned.
   * @throws TidemarkError `CONFIG_INVALID`: the group reads another range · `TOPIC_CHANGED`: the
   * partition was added
   */
  of(start: Start): NotedRange {
    const fault = this.#faultOf(start)
    if (fault !== null) throw fault
    const range = metadataAt(start)?.range ?? this.#found.get(partitionName(start))
    if (range !== undefined) return range
    const { topic, partition, nextOffset } = start
    const where = position(topic, partition, nextOffset)
    const hint = 'start the worker again: it then reads the same range of these'
    const message = `topic "${topic}" has got more partitions`
    throw new TidemarkError('TOPIC_CHANGED', message, { where, hint })
  }

  /** Whether the group has committed the end of each partition. */
  isDone(offsets: readonly PartitionOffsets[]): boolean {
    const isAtEnd = ({ committed }: PartitionOffsets) => {
      const range = committed && metadataAt(committed)?.range
      return !!range && committed.nextOffset >= range.end
    }
    return offsets.length >= this.#partitions && offsets.every(isAtEnd)
  }

  /** `null`: nothing speaks against reading on from there. */
  #faultOf(start: Start): TidemarkError | null {
    const { metadata, nextOffset } = start
    if (metadata === null) return null
    const noted = metadataAt(start)?.range ?? null
    // A worker that ended before its first commit has only claimed the partition.
    if (noted === null && nextOffset === this.#found.get(partitionName(start))?.start) return null
    if (noted?.asked === this.#asked) return null
    const has =
      noted === null
        ? `committed offset ${nextOffset} of ${partitionName(start)} without a range`
        : `reads ${noted.asked}`
    const hint = 'a group reads one range: give that one, or another --group'
    return configFault(`the group ${has}, not ${this.#asked}`, '--group', hint)
  }

  /** Whether records were deleted that may have been in the range. */
  #isCut(offsets: PartitionOffsets, { retentionMs }: TopicInfo, nowMs: number): boolean {
    const { from } = this.#range
    if (from === 'earliest' || from === 'latest') return false
    if ('offset' in from) return from.offset < offsets.lowOffset
    // Records that were deleted for their age are older than those that have to be kept.
    const isKept = retentionMs !== null && from.timeMs >= nowMs - retentionMs
    const start = this.#found.get(partitionName(offsets))?.start
    return offsets.lowOffset > 0 && start === offsets.lowOffset && !isKept
  }
}

function cutFault(offsets: PartitionOffsets, from: LogPoint): TidemarkError {
  const { lowOffset, endOffset } = offsets
  const left = lowOffset === endOffset ? 'no record is left' : `${lowOffset} is the first one left`
  const message = `records of ${partitionName(offsets)} from ${pointInWords(from)} on were deleted: ${left}`
  return configFault(message, '--from', '--from earliest reads what is left in each partition')
}

/** `2026-01-01T00:00:00.000Z to latest` */
export function rangeInWords({ from, to }: LogRange): string {
  return `${pointInWords(from)} to ${pointInWords(to)}`
}

function pointInWords(point: LogPoint): string {
  if (typeof point === 'string') return point
  return 'offset' in point ? `offset ${point.offset}` : new Date(point.timeMs).toISOString()
}
