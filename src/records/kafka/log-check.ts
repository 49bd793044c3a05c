import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName, position } from '../../kernel/ids.ts'
import type { TopicPartition } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { readLeaderEpoch } from './codec/batch-header.ts'
import { notAllowed } from './rights.ts'
import { CODE, hasMoved, nameOfCode } from './wire/codes.ts'
import { fetch, ONE_BATCH } from './wire/fetch.ts'
import { type EpochEnd, offsetForLeaderEpoch } from './wire/log-ends.ts'

// Whether a partition's log is still the one that was read. A topic that was deleted and made anew
// has another id (KIP-516). A leader that lacks records which were read, after an unclean election,
// has ended the epoch of the last one further back (KIP-320). Offsets that are read on in another
// log would lose records, or repeat them, without a word.

/** What is known of the log that a partition is read from. */
export interface LogMark extends TopicPartition {
  /** Where to read on. */
  readonly nextOffset: number
  /** `null`: the broker has none. */
  readonly topicId: string | null
  /**
   * Under which leader the last record that was read was written; −1: none was read, or it is not
   * known.
   */
  readonly readEpoch: number
  /** The leader's epoch under which the log was last found to be the same. */
  checkedEpoch: number
}

/** @throws TidemarkError `TOPIC_CHANGED`: the topic was made anew */
export function refuseIfMadeAnew({ topic, partition, ...mark }: LogMark, brokers: Brokers): void {
  const now = brokers.idOf(topic)
  if (mark.topicId === null || now === null || now === mark.topicId) return
  throw new TidemarkError(
    'TOPIC_CHANGED',
    `topic "${topic}" was deleted and made anew: its id was ${mark.topicId} and is ${now}`,
    {
      where: position(topic, partition, mark.nextOffset),
      hint: 'read the new topic under another group, or delete what the group has committed (kafka-consumer-groups.sh --delete-offsets)',
    },
  )
}

/**
 * Looks whether the leader has what was read, for partitions whose leader has changed since that
 * was last looked at. A partition that has meanwhile got yet another leader, from which it may have
 * been read on, is left to that leader.
 * @returns `LOG_TRUNCATED`, or what hinders those that could not be looked at, by partition name
 * @throws TidemarkError `TOPIC_CHANGED` · as `Brokers.ask`
 */
export async function checkLogs(
  brokers: Brokers,
  leader: string,
  marks: readonly LogMark[],
): Promise<ReadonlyMap<string, TidemarkError>> {
  const changed: LogMark[] = []
  for (const mark of marks) {
    refuseIfMadeAnew(mark, brokers)
    const epoch = brokers.leaderEpochOf(mark)
    if (mark.checkedEpoch === epoch) continue
    if (mark.readEpoch < 0 || epoch < 0) mark.checkedEpoch = epoch
    else changed.push(mark)
  }
  if (changed.length === 0) return new Map()
  const asked = changed.map((mark) => ({
    mark,
    before: { ...mark },
    epoch: brokers.leaderEpochOf(mark),
  }))
  const answers = await brokers.ask(
    leader,
    offsetForLeaderEpoch(
      asked.map(({ mark: { topic, partition, readEpoch }, epoch }) => {
        return { topic, partition, currentEpoch: epoch, epoch: readEpoch }
      }),
    ),
  )
  const byName = new Map(answers.map((answer) => [partitionName(answer), answer]))
  const hindered = new Map<string, TidemarkError>()
  for (const { mark, before, epoch } of asked) {
    const name = partitionName(mark)
    const answer = byName.get(name)
    const problem = await problemOf(before, { answer, brokers, leader, epoch })
    if (mark.nextOffset !== before.nextOffset || brokers.leaderEpochOf(mark) !== epoch) continue
    if (problem === null) mark.checkedEpoch = epoch
    else hindered.set(name, problem)
  }
  return hindered
}

interface Look {
  readonly brokers: Brokers
  readonly leader: string
  /** Under which it leads. */
  readonly epoch: number
}

/** @returns `null`: the leader has what was read */
async function problemOf(
  mark: LogMark,
  { answer, ...look }: Look & { readonly answer: EpochEnd | undefined },
): Promise<TidemarkError | null> {
  if (answer?.code !== CODE.NONE) {
    return unanswered(mark, answer?.code ?? CODE.UNKNOWN_TOPIC_OR_PARTITION)
  }
  const hasAll = answer.epoch >= 0 && answer.endOffset >= mark.nextOffset
  return hasAll ? null : lookAtLast(mark, answer, look)
}

/**
 * Looks at the log itself: epoch and offset tell a record from every other one (KIP-101). A leader
 * whose disk had been full was seen to have forgotten an epoch, and to have all its records.
 * @returns `LOG_TRUNCATED`, or why it could not be looked at; `null`: the last record that was read
 * is there
 */
async function lookAtLast(
  { topic, partition, nextOffset, readEpoch }: LogMark,
  answer: EpochEnd,
  { brokers, leader, epoch: leaderEpoch }: Look,
): Promise<TidemarkError | null> {
  // Who leads no more, or not yet, would answer as a follower, which may lack the record.
  const last = { topic, partition, topicId: null, offset: nextOffset - 1, leaderEpoch }
  const { code, partitions } = await brokers.ask(leader, fetch([last], false, ONE_BATCH))
  const [found] = partitions
  const isGone = found?.code === CODE.OFFSET_OUT_OF_RANGE
  if (found === undefined || (found.code !== CODE.NONE && !isGone)) {
    return unanswered(last, found?.code ?? code)
  }
  // Where the log ends here, another record will stand, if not this one: a new leader tells only of
  // what others have as well.
  if (!isGone && found.set.length === 0) {
    return new TidemarkError(
      'BROKER_UNAVAILABLE',
      'its new leader does not tell how far it reaches',
    )
  }
  if (!isGone && readLeaderEpoch(found.set, 0) === readEpoch) return null
  const what =
    answer.epoch < 0
      ? `the leader knows of no leader before it, and the last record that was read is of epoch ${readEpoch}`
      : `the new leader has the log that was read only up to ${answer.endOffset}`
  return new TidemarkError(
    'LOG_TRUNCATED',
    `${what}: records that were read are gone, and others stand in their place, or will`,
    {
      where: position(topic, partition, nextOffset),
      hint: "a leader was elected that lacked records (unclean.leader.election.enable): set the group's offset into the log, and look at what was scored from what is gone",
    },
  )
}

function unanswered(of: TopicPartition, code: number): TidemarkError {
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
    return notAllowed('DESCRIBE', { type: 'topic', name: of.topic })
  }
  const message = `where the log of ${partitionName(of)} ends is answered with ${nameOfCode(code)}`
  if (code === CODE.UNKNOWN_TOPIC_OR_PARTITION) return new TidemarkError('TOPIC_MISSING', message)
  return new TidemarkError(hasMoved(code) ? 'BROKER_UNAVAILABLE' : 'GROUP_FAILED', message)
}
