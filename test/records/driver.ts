import type {
  Assignment,
  From,
  LogRecord,
  Member,
  NewRecord,
  NextOffset,
  Records,
} from '../../src/records/port.ts'
import { Listener, record } from './listener.ts'

// A driver as the contract tests use it.

/** A driver under test, with what the port itself does not offer. */
export interface Driver {
  readonly records: Records
  createTopic(partitions: number): Promise<string>
  freshGroup(): string
  produce(records: readonly NewRecord[]): Promise<void>
  /** What stands in a topic, each partition in order, one after the other. */
  read(topic: string): Promise<LogRecord[]>
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
}

/** A member that has joined, and what it hears. */
export async function join(
  { driver, group, topic, from = 'earliest' }: Meeting,
  heard = new Listener(),
): Promise<{ member: Member; heard: Listener }> {
  const member = await driver.records.join({ group, topics: [topic], from, handlers: heard })
  return { member, heard }
}

export function next(assignment: Assignment, nextOffset: number, metadata = ''): NextOffset {
  const { topic, partition, epoch } = assignment
  return { topic, partition, epoch, nextOffset, metadata }
}

export function commitOffsets(member: Member, ...nextOffsets: NextOffset[]): Promise<void> {
  return member.commit({ outputs: [], deadLetters: [], nextOffsets })
}
