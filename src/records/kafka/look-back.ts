import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import type { Start } from '../port.ts'
import { lookBackSince, plainLookBack } from '../start-offset.ts'
import type { Brokers } from './brokers.ts'
import { type Portion, RecordSet } from './codec/record-set.ts'
import { notAllowed, type Operation } from './rights.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { fetch, ONE_BATCH } from './wire/fetch.ts'
import { listOffsets } from './wire/log-ends.ts'

// Finds how far a period reaches back in a partition. Brokers find an offset by timestamp, but the
// timestamp of the record at an offset can only be read from the record.

/**
 * How many offsets to go back in search of a record: markers and aborted records may precede an
 * offset.
 */
const STEPS_BACK = [0, 1, 16, 256, 4_096]
/**
 * A batch that unpacks to more is not unpacked, which would block the event loop: the newest
 * timestamp in its header is used for its records.
 */
const UNPACKED_BYTES = 4 * 2 ** 20

/**
 * Returns the offset of the first record that is at most `lookBackMs` older than the record at a
 * start, or than the last record before it.
 * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHORIZATION` · as a {@link RecordSet}
 */
export async function lookBack(
  brokers: Brokers,
  start: Start,
  lookBackMs: number,
): Promise<number> {
  const plain = plainLookBack(start, lookBackMs)
  if (plain !== null) return plain
  const sinceMs = lookBackSince(await timestampAt(brokers, start), lookBackMs)
  if (sinceMs === null) return start.lowOffset
  const led = { ...start, leaderEpoch: brokers.leaderEpochOf(start) }
  const listed = await brokers.ask(leaderOf(brokers, start), listOffsets([led], sinceMs))
  const { code, offset } = listed[0] ?? { code: CODE.NONE, offset: -1 }
  if (code !== CODE.NONE) throw answered(start, code, 'DESCRIBE')
  return offset < 0
    ? start.nextOffset
    : Math.max(start.lowOffset, Math.min(offset, start.nextOffset))
}

/**
 * Timestamp of the record at a start, or else of the last one before it, ms since the epoch;
 * `null`: there is none near.
 */
async function timestampAt(brokers: Brokers, start: Start): Promise<number | null> {
  const { topic, partition, lowOffset, nextOffset } = start
  for (const step of STEPS_BACK) {
    const offset = Math.max(lowOffset, nextOffset - step)
    const leaderEpoch = brokers.leaderEpochOf(start)
    const position = { topic, partition, topicId: null, offset, leaderEpoch }
    const answer = await brokers.ask(leaderOf(brokers, start), fetch([position], false, ONE_BATCH))
    const [fetched] = answer.partitions
    const code = answer.code || (fetched?.code ?? CODE.NONE)
    if (code !== CODE.NONE || fetched === undefined) throw answered(start, code, 'READ')
    const { set, aborted } = fetched
    const from = { partition: partitionName(start), fromOffset: offset, aborted }
    const batch = new RecordSet(set, { ...from, maxUnpackedBytes: UNPACKED_BYTES })
    const found = timestampIn(batch.next() as Portion, step === 0 ? null : nextOffset)
    if (found !== undefined) return found
  }
  return null
}

/** Timestamp of the first record, or of the last one before an offset. */
function timestampIn({ records, packed }: Portion, before: number | null): number | undefined {
  if (packed !== null) {
    return before === null || packed.offset < before ? packed.timestampMs : undefined
  }
  const { offsets, timestampsMs } = records
  return timestampsMs[before === null ? 0 : offsets.findLastIndex((at) => at < before)]
}

function leaderOf(brokers: Brokers, start: Start): string {
  const leader = brokers.leaderOf(start)
  if (leader !== undefined) return leader
  throw new TidemarkError('BROKER_UNAVAILABLE', `${partitionName(start)} has no leader`)
}

function answered(start: Start, code: number, asked: Operation): TidemarkError {
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
    return notAllowed(asked, { type: 'topic', name: start.topic })
  }
  const message = `the broker answered a request for where to start reading ${partitionName(start)} with ${nameOfCode(code)}`
  return new TidemarkError('BROKER_UNAVAILABLE', message)
}
