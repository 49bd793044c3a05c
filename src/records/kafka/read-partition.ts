import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import type { LogRecord, TopicPartition } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { RecordSet } from './codec/record-set.ts'
import { RecordViews } from './codec/record-views.ts'
import { notAllowed } from './rights.ts'
import { CODE, hasMoved, nameOfCode } from './wire/codes.ts'
import { type FetchedPartition, type FetchOptions, fetch } from './wire/fetch.ts'

// Reads a partition from its first record to its end, outside of any group.

/** Answered at once: a transaction that is still open is asked for again. */
const AT_ONCE: FetchOptions = {
  minBytes: 0,
  maxWaitMs: 0,
  maxBytes: 4 * 2 ** 20,
  maxPartitionBytes: 4 * 2 ** 20,
}
/** How long to wait for an open transaction, ms; the caller may ask again. */
const OPEN_MS = 5_000
const RETRY_MS = 50

/**
 * Reads the committed records of a partition up to its end at the first fetch. That is the high
 * watermark, not the last stable offset: a transaction whose marker is on its way counts.
 * @param lowOffset of its first record
 * @throws TidemarkError `BROKER_UNAVAILABLE`, also if a transaction stays open · `AUTHORIZATION` ·
 * as a {@link RecordSet}
 */
export async function readPartition(
  brokers: Brokers,
  of: TopicPartition,
  lowOffset: number,
): Promise<LogRecord[]> {
  const { clock } = brokers
  const records: LogRecord[] = []
  const deadlineMs = clock.elapsedMs() + OPEN_MS
  let endOffset = Number.POSITIVE_INFINITY
  for (let offset = lowOffset; offset < endOffset; ) {
    const fetched = await fetchFrom(brokers, { ...of, offset })
    endOffset = Math.min(endOffset, fetched.highWatermark)
    const next = await unpackInto(records, fetched, offset)
    if (next === offset && next < endOffset) {
      if (clock.elapsedMs() >= deadlineMs) throw stillOpen(of)
      await clock.sleep(RETRY_MS)
    }
    offset = next
  }
  return records
}

async function fetchFrom(
  brokers: Brokers,
  from: TopicPartition & { readonly offset: number },
): Promise<FetchedPartition> {
  const leader = brokers.leaderOf(from)
  if (leader === undefined) throw withoutLeader(from)
  const at = { ...from, topicId: null, leaderEpoch: brokers.leaderEpochOf(from) }
  const answer = await brokers.ask(leader, fetch([at], false, AT_ONCE))
  const [fetched] = answer.partitions
  const code = answer.code || (fetched?.code ?? CODE.NONE)
  if (code === CODE.NONE && fetched !== undefined) return fetched
  if (hasMoved(code)) await brokers.refresh()
  throw answered(from, code)
}

/** @returns the offset to fetch next */
async function unpackInto(
  records: LogRecord[],
  { topic, partition, set: bytes, aborted }: FetchedPartition,
  fromOffset: number,
): Promise<number> {
  const name = partitionName({ topic, partition })
  const set = new RecordSet(bytes, { partition: name, fromOffset, aborted })
  while (!set.isRead) {
    const portion = set.next()
    if (portion === null) await set.unpack()
    else if (portion.packed !== null) throw portion.packed.error
    else records.push(...new RecordViews(portion.records))
  }
  return set.nextOffset
}

/** A partition that cannot be read for want of a leader. */
export function withoutLeader(of: TopicPartition): TidemarkError {
  return new TidemarkError('BROKER_UNAVAILABLE', `${partitionName(of)} has no leader`)
}

function stillOpen(of: TopicPartition): TidemarkError {
  const what = `a transaction of another owner on ${partitionName(of)} has not been ended yet`
  return new TidemarkError('BROKER_UNAVAILABLE', what)
}

function answered(of: TopicPartition, code: number): TidemarkError {
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
    return notAllowed('READ', { type: 'topic', name: of.topic })
  }
  const message = `the broker answered a request for the records of ${partitionName(of)} with ${nameOfCode(code)}`
  return new TidemarkError('BROKER_UNAVAILABLE', message)
}
