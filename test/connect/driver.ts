import { expect } from 'vitest'
import type { Groups } from '../../src/connect/groups.ts'
import type {
  Assignment,
  Commit,
  From,
  Guarantee,
  LogRecord,
  Member,
  NewRecord,
  NextOffset,
  Records,
} from '../../src/connect/port.ts'
import { thrownBy } from '../support/thrown.ts'
import { Listener, record } from './listener.ts'

// A driver as the contract tests use it.

/** A driver under test, with what the port itself does not offer. */
export interface Driver {
  readonly records: Records & Groups
  createTopic(
    partitions: number,
    options?: { readonly maxMessageBytes?: number; readonly isCompacted?: boolean },
  ): Promise<string>
  freshGroup(): string
  produce(records: readonly NewRecord[]): Promise<void>
  /**
   * The records of a topic for a reader of committed ones, each partition in order, one after the
   * other.
   */
  read(topic: string): Promise<LogRecord[]>
  /**
   * Sets what a group without members has committed for partition 0, as an operator's tool does, or
   * another consumer.
   */
  setOffset(offset: {
    readonly group: string
    readonly topic: string
    readonly nextOffset: number
    readonly metadata: string
  }): Promise<void>
  /** Deletes what partition 0 holds before an offset. */
  deleteBefore(topic: string, offset: number): Promise<void>
  addPartitions(topic: string, count: number): Promise<void>
  close(): Promise<void>
}

export type DefineTest = (name: string, fn: (driver: Driver) => Promise<void>) => void

/** Records of one partition: 0, 1, 2 … */
export function numbered(topic: string, partition: number, count: number): NewRecord[] {
  return Array.from({ length: count }, (_, i) =>
    record(topic, { partition, value: Buffer.from(`${i}`) }),
  )
}

/** Where members of a test meet. */
interface Meeting {
  readonly driver: Driver
  readonly group: string
  readonly topic: string
  /** @default 'earliest' */
  readonly from?: From
  /** @default 'exactly-once' */
  readonly guarantee?: Guarantee
}

/** A member that has joined, and what it hears. */
export async function join(
  { driver, group, topic, from = 'earliest', guarantee = 'exactly-once' }: Meeting,
  heard = new Listener(),
): Promise<{ member: Member; heard: Listener }> {
  const options = { group, topics: [topic], from, guarantee, handlers: heard }
  return { member: await driver.records.source.join(options), heard }
}

export function next(assignment: Assignment, nextOffset: number, metadata = ''): NextOffset {
  const { topic, partition, epoch } = assignment
  return { topic, partition, epoch, nextOffset, metadata }
}

export function commitOffsets(member: Member, ...nextOffsets: NextOffset[]): Promise<void> {
  return member.commit({ outputs: [], deadLetters: [], nextOffsets })
}

/**
 * Commits for partitions of which some have moved away: at least once without those, exactly once
 * it is refused whole.
 */
export async function commitPassed(
  guarantee: Guarantee,
  member: Member,
  commit: Commit,
): Promise<void> {
  const committing = member.commit(commit)
  if (guarantee === 'at-least-once') await committing
  else expect(['REBALANCING', 'FENCED']).toContain((await thrownBy(committing)).code)
}

/**
 * The values in a topic, once they are as they should be: what was committed may take a moment to
 * be seen.
 */
export async function readUntil(
  driver: Driver,
  topic: string,
  holds: (values: string[]) => boolean,
): Promise<string[]> {
  for (;;) {
    const values = (await driver.read(topic)).map((r) => String(r.value))
    if (holds(values)) return values
  }
}
