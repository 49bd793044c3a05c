import { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName, position } from '../../../kernel/ids.ts'
import type { TopicPartition } from '../../port.ts'
import type { Brokers } from '../client/brokers.ts'
import { partitionRefusal, unavailable } from '../client/errors.ts'
import { readLeaderEpoch } from '../codec/batch-header.ts'
import { type EpochEnd, fetch, ONE_BATCH, offsetForLeaderEpoch } from '../wire/fetch.ts'
import { CODE, hasMoved } from '../wire/protocol.ts'

// Checks whether a partition's log is still the one that was read. A topic that was created again
// has another id (KIP-516). After an unclean election, a leader that lacks records which were read
// ends the epoch of the last one at an earlier offset (KIP-320). Continuing at the same offset in
// another log would silently lose or repeat records.

export interface LogMark extends TopicPartition {
  readonly nextOffset: number
  /** `null`: the broker does not support topic ids. */
  readonly topicId: string | null
  /** Leader epoch of the last record that was read; −1: not known. */
  readonly readEpoch: number
  /** The leader epoch under which the log was last found unchanged. */
  checkedEpoch: number
}

/** @throws TidemarkError `TOPIC_CHANGED`: the topic was deleted and created again */
export function refuseIfRecreated({ topic, partition, ...mark }: LogMark, brokers: Brokers): void {
  const now = brokers.map.idOf(topic)
  if (mark.topicId === null || now === null || now === mark.topicId) return
  const message = `topic "${topic}" was deleted and created again: its id was ${mark.topicId} and is now ${now}`
  const where = position(topic, partition, mark.nextOffset)
  const hint =
    'read the new topic under another group, or with all workers stopped: tidemark offsets reset FILE --to earliest'
  throw new TidemarkError('TOPIC_CHANGED', message, { where, hint })
}

/**
 * Checks whether a new leader has the records that were read.
 * @returns by partition name, `LOG_TRUNCATED`, or why a partition could not be checked
 * @throws TidemarkError `TOPIC_CHANGED` · as `Brokers.ask`
 */
export async function checkLogs(brokers: Brokers, leader: string, marks: readonly LogMark[]) {
  const asked: { mark: LogMark; before: LogMark; epoch: number }[] = []
  const hindered = new Map<string, TidemarkError>()
  for (const mark of marks) {
    refuseIfRecreated(mark, brokers)
    const epoch = brokers.map.leaderEpochOf(mark)
    if (mark.checkedEpoch === epoch) continue
    if (mark.readEpoch < 0 || epoch < 0) mark.checkedEpoch = epoch
    else asked.push({ mark, before: { ...mark }, epoch })
  }
  if (asked.length === 0) return hindered
  const positions = asked.map(({ mark: { topic, partition, readEpoch }, epoch }) => {
    return { topic, partition, currentEpoch: epoch, epoch: readEpoch }
  })
  const answers = await brokers.ask(leader, offsetForLeaderEpoch(positions))
  const byName = new Map(answers.map((answer) => [partitionName(answer), answer]))
  for (const { mark, before, epoch } of asked) {
    const name = partitionName(mark)
    const answer = byName.get(name)
    const problem = await problemOf(before, { answer, brokers, leader, epoch })
    if (mark.nextOffset !== before.nextOffset || brokers.map.leaderEpochOf(mark) !== epoch) continue
    if (problem === null) mark.checkedEpoch = epoch
    else hindered.set(name, problem)
  }
  return hindered
}

interface LeaderCheck {
  readonly answer: EpochEnd | undefined
  readonly brokers: Brokers
  readonly leader: string
  readonly epoch: number
}

/**
 * A leader that ends the epoch before the position is asked for the record before it: epoch and
 * offset identify a record (KIP-101). A leader whose disk had been full was seen to have lost an
 * epoch but none of its records.
 * @returns `LOG_TRUNCATED`, or why it could not be checked; `null`: the last record that was read
 * is there
 */
async function problemOf(
  mark: LogMark,
  { answer, brokers, leader, epoch: leaderEpoch }: LeaderCheck,
): Promise<TidemarkError | null> {
  if (answer?.code !== CODE.NONE) {
    return unanswered(mark, answer?.code ?? CODE.UNKNOWN_TOPIC_OR_PARTITION)
  }
  const { topic, partition, nextOffset, readEpoch } = mark
  if (answer.epoch >= 0 && answer.endOffset >= nextOffset) return null
  // With an epoch, a broker that is not the leader refuses; a follower might lack the record.
  const last = { topic, partition, topicId: null, offset: nextOffset - 1, leaderEpoch }
  const { code, partitions } = await brokers.ask(leader, fetch([last], false, ONE_BATCH))
  const [fetched] = partitions
  const isGone = fetched?.code === CODE.OFFSET_OUT_OF_RANGE
  if (fetched === undefined || (fetched.code !== CODE.NONE && !isGone)) {
    return unanswered(last, fetched?.code ?? code)
  }
  // If the log ends before this offset, this or another record will follow: a new leader first
  // reports only what its followers have as well.
  if (!isGone && fetched.set.length === 0) {
    return unavailable('its new leader does not yet report the end of its log')
  }
  if (!isGone && readLeaderEpoch(fetched.set, 0) === readEpoch) return null
  const why =
    answer.epoch < 0
      ? `the leader knows no earlier leader epoch, and the last record that was read has epoch ${readEpoch}`
      : `the new leader has the log that was read only up to offset ${answer.endOffset}`
  const message = `${why}: records that were read are gone, and other records have their offsets, or will have them`
  const where = position(topic, partition, nextOffset)
  const hint =
    "a leader was elected that lacked records (unclean.leader.election.enable): reset the group's offset to one within the log, and check the results that were computed from the lost records"
  return new TidemarkError('LOG_TRUNCATED', message, { where, hint })
}

function unanswered(partition: TopicPartition, code: number): TidemarkError {
  const isMissing = code === CODE.UNKNOWN_TOPIC_OR_PARTITION
  const moved = hasMoved(code) ? 'BROKER_UNAVAILABLE' : 'GROUP_FAILED'
  const otherwise = isMissing ? 'TOPIC_MISSING' : moved
  const subject = 'the end of'
  return partitionRefusal(code, partition, { operation: 'DESCRIBE', subject, otherwise })
}
