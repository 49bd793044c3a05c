import { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { lookBackSince, plainLookBack } from '../../group-member.ts'
import type { DamagedBatch } from '../../groups.ts'
import type { LogRecord, Start, TopicPartition } from '../../port.ts'
import type { Brokers } from '../client/brokers.ts'
import { partitionRefusal, unavailable, withoutLeader } from '../client/errors.ts'
import { HEADER_BYTES, readBaseOffset, readLastOffset } from '../codec/batch-header.ts'
import { type Portion, RecordSet } from '../codec/record-set.ts'
import { type FetchOptions, fetch, listOffsets, ONE_BATCH } from '../wire/fetch.ts'
import { CODE, hasMoved } from '../wire/protocol.ts'

const AT_ONCE: FetchOptions = {
  maxWaitMs: 0,
  maxBytes: 4 * 2 ** 20,
  maxPartitionBytes: 4 * 2 ** 20,
}
const OPEN_MS = 5_000
const RETRY_MS = 50
/** How many offsets to go back for a record: markers and aborted records may precede an offset. */
const STEPS_BACK = [0, 1, 16, 256, 4_096]
/** A batch that unpacks to more would block the event loop: its header has the newest timestamp. */
const UNPACKED_BYTES = 4 * 2 ** 20

const READ_RECORDS = { operation: 'READ', subject: 'the records of' } as const
const START = 'where to start reading'

/**
 * Reads the committed records up to the high watermark at the first fetch, not the last stable
 * offset: a transaction whose marker is on its way counts.
 * @throws TidemarkError `BROKER_UNAVAILABLE`, also if a transaction stays open · `AUTHORIZATION` ·
 * as a {@link RecordSet}
 */
export async function readPartition(
  brokers: Brokers,
  partition: TopicPartition,
  lowOffset: number,
): Promise<LogRecord[]> {
  const { clock } = brokers
  const name = partitionName(partition)
  const records: LogRecord[] = []
  const deadlineMs = clock.elapsedMs() + OPEN_MS
  let endOffset = Number.POSITIVE_INFINITY
  for (let offset = lowOffset; offset < endOffset; ) {
    const { code, fetched } = await fetchFrom(brokers, { ...partition, offset }, AT_ONCE)
    if (code !== CODE.NONE || fetched === undefined) {
      if (hasMoved(code)) await brokers.refresh()
      throw partitionRefusal(code, partition, READ_RECORDS)
    }
    endOffset = Math.min(endOffset, fetched.highWatermark)
    const { set: bytes, aborted } = fetched
    const set = new RecordSet(bytes, { partition: name, fromOffset: offset, aborted })
    await unpackInto(records, set)
    const next = set.nextOffset
    if (next === offset && next < endOffset) {
      if (clock.elapsedMs() >= deadlineMs) {
        const message = `a transaction of another owner on ${name} has not been ended yet`
        throw unavailable(message)
      }
      await clock.sleep(RETRY_MS)
    }
    offset = next
  }
  return records
}

async function unpackInto(records: LogRecord[], set: RecordSet): Promise<void> {
  while (!set.isRead) {
    const portion = set.next()
    if (portion === null) await set.unpack()
    else if (portion.packed !== null) throw portion.packed.error
    else records.push(...portion.records)
  }
}

/**
 * Where the batch at an offset begins and ends, if it is damaged; `null`: it is not. The header is
 * all that is left to tell its end by, and may be damaged as well.
 * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHORIZATION` · as a {@link RecordSet}
 */
export async function damagedBatch(
  brokers: Brokers,
  at: TopicPartition & { readonly offset: number },
): Promise<DamagedBatch | null> {
  const { code, fetched } = await fetchFrom(brokers, at, ONE_BATCH)
  if (code !== CODE.NONE || fetched === undefined) throw partitionRefusal(code, at, READ_RECORDS)
  const { set, aborted } = fetched
  try {
    const from = { partition: partitionName(at), fromOffset: at.offset, aborted }
    await unpackInto([], new RecordSet(set, from))
    return null
  } catch (error) {
    const kind = error instanceof TidemarkError ? error.code : null
    if (kind === 'BATCH_TOO_LARGE') return null
    if (kind !== 'BATCH_CORRUPT' || set.length < HEADER_BYTES) throw error
    const [offset, lastOffset] = [readBaseOffset(set, 0), readLastOffset(set, 0)]
    if (offset > at.offset || lastOffset < at.offset) throw error
    return { offset, nextOffset: lastOffset + 1 }
  }
}

/**
 * The first record at most `lookBackMs` older than the record at a start, or than the last one
 * before it. The timestamp of a record can only be read from the record.
 * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHORIZATION` · as a {@link RecordSet}
 */
export async function lookBack(brokers: Brokers, start: Start, lookBackMs: number) {
  const plain = plainLookBack(start, lookBackMs)
  if (plain !== null) return plain
  const sinceMs = lookBackSince(await timestampAt(brokers, start), lookBackMs)
  if (sinceMs === null) return start.lowOffset
  const led = { ...start, leaderEpoch: brokers.map.leaderEpochOf(start) }
  const listed = await brokers.ask(leaderOf(brokers, start), listOffsets([led], sinceMs))
  const { code, offset } = listed[0] ?? { code: CODE.NONE, offset: -1 }
  if (code !== CODE.NONE)
    throw partitionRefusal(code, start, { operation: 'DESCRIBE', subject: START })
  if (offset < 0) return start.nextOffset
  return Math.max(start.lowOffset, Math.min(offset, start.nextOffset))
}

async function timestampAt(brokers: Brokers, start: Start): Promise<number | null> {
  const { topic, partition, lowOffset, nextOffset } = start
  for (const step of STEPS_BACK) {
    const offset = Math.max(lowOffset, nextOffset - step)
    const { code, fetched } = await fetchFrom(brokers, { topic, partition, offset }, ONE_BATCH)
    if (code !== CODE.NONE || fetched === undefined) {
      throw partitionRefusal(code, start, { operation: 'READ', subject: START })
    }
    const { set, aborted } = fetched
    const from = { partition: partitionName(start), fromOffset: offset, aborted }
    const batch = new RecordSet(set, { ...from, maxUnpackedBytes: UNPACKED_BYTES })
    const timestampMs = timestampIn(batch.next() as Portion, step === 0 ? null : nextOffset)
    if (timestampMs !== undefined) return timestampMs
  }
  return null
}

function timestampIn({ records, packed }: Portion, before: number | null): number | undefined {
  if (packed !== null) {
    return before === null || packed.offset < before ? packed.timestampMs : undefined
  }
  const { offsets, timestampsMs } = records
  return timestampsMs[before === null ? 0 : offsets.findLastIndex((at) => at < before)]
}

async function fetchFrom(
  brokers: Brokers,
  from: TopicPartition & { readonly offset: number },
  options: FetchOptions,
) {
  const at = { ...from, topicId: null, leaderEpoch: brokers.map.leaderEpochOf(from) }
  const answer = await brokers.ask(leaderOf(brokers, from), fetch([at], false, options))
  const [fetched] = answer.partitions
  return { code: answer.code || (fetched?.code ?? CODE.NONE), fetched }
}

function leaderOf(brokers: Brokers, partition: TopicPartition): string {
  const leader = brokers.map.leaderOf(partition)
  if (leader === undefined) throw withoutLeader(partition)
  return leader
}
