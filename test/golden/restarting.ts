import { committingThrough } from '../../src/records/committing-through.ts'
import { MemoryRecords } from '../../src/records/memory/memory-records.ts'
import type { Guarantee, Records } from '../../src/records/port.ts'
import type { Observer } from '../../src/runtime/events.ts'
import type { Prepared } from '../../src/runtime/prepare.ts'
import { startWorker, type Worker } from '../../src/runtime/worker.ts'
import { type Definition, outputTopics } from '../../src/topology/definition.ts'
import { answersOf, idOf, outcomeOf, sinkOf } from './answers.ts'
import { type Answer, compareGolden, type Golden } from './golden.ts'

// A golden input through workers that end in its middle, on the memory driver.

/** A golden input with the topology that answers it. */
export interface Case {
  readonly golden: Golden
  readonly prepared: Prepared
  readonly definition: Definition
}

/** Records that a task is given at once. */
export const CHUNK = 40
const GROUP = 'golden'
/** Of every record: after all events, so that the future guard lets them pass. */
const RECORD_TIME_MS = Date.UTC(2027, 0, 1)
const MIB = 2 ** 20

/** An empty log with the topics of a topology. */
export function freshRecords({ golden, definition }: Case): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords: CHUNK })
  for (const topic of [definition.source.topic, ...outputTopics(definition)]) {
    records.createTopic(topic, { partitions: golden.partitions })
  }
  return records
}

/** Produces some of the lines. */
export function produce(
  records: MemoryRecords,
  of: Case,
  [from, to]: readonly [number, number],
): void {
  const { topic } = of.definition.source
  records.produce(
    of.golden.lines.slice(from, to).map(({ key, value }) => ({
      topic,
      partition: null,
      key: Buffer.from(key),
      value: Buffer.from(value),
      timestampMs: RECORD_TIME_MS,
      headers: [],
    })),
  )
}

interface Start {
  readonly observer?: Observer
  readonly guarantee?: Guarantee
  readonly maxCommitBytes?: number
}

/** A worker of the group that all of them are in. */
export function start(of: Case, records: Records, how: Start = {}): Worker {
  return startWorker({ prepared: of.prepared, records, group: GROUP, observer: () => {}, ...how })
}

/** Waits until all that was produced is committed, or the worker has ended. */
export async function settled(of: Case, records: MemoryRecords, worker: Worker): Promise<void> {
  await Promise.race([records.settled(GROUP, of.definition.source.topic), worker.done])
}

/** What differs from the expected answers to the first lines. */
export function differences(of: Case, records: MemoryRecords, lines: number): string[] {
  const part = { ...of.golden, expected: of.golden.expected.slice(0, lines) }
  return compareGolden(part, answersIn(of, records, lines))
}

/** How many outputs and dead letters stand there once more. */
export function repetitionsIn({ definition }: Case, records: MemoryRecords): number {
  const topics = [sinkOf(definition), definition.deadLetterTopic]
  const ids = topics.flatMap((topic) => records.read(topic).map(idOf))
  return ids.length - new Set(ids).size
}

/** @throws Error when an output came twice and was not the same */
export function answersIn(
  { golden, definition }: Case,
  records: MemoryRecords,
  lines: number,
): Answer[] {
  const ends = new Map<number, number>()
  const places = golden.lines.slice(0, lines).map(({ partition }) => {
    const offset = ends.get(partition) ?? 0
    ends.set(partition, offset + 1)
    return { partition, offset }
  })
  const outputs = records.read(sinkOf(definition))
  const letters = records.read(definition.deadLetterTopic)
  return answersOf(golden, places, outcomeOf(outputs, letters))
}

/** Where a commit is cut off. */
type Moment = 'before' | 'between' | 'after'

/**
 * Records of which a commit is cut off: before it, between its outputs and its offsets, or after
 * it; and what is then left.
 */
function crashing(inner: MemoryRecords, at: Moment, commitsBefore: number) {
  let commits = 0
  let tell: (left: MemoryRecords) => void = () => {}
  const left = new Promise<MemoryRecords>((resolve) => {
    tell = resolve
  })
  const records = committingThrough(inner, async (commit, member) => {
    if (commits++ < commitsBefore) return member.commit(commit)
    if (at !== 'before') {
      await member.commit(at === 'after' ? commit : { ...commit, nextOffsets: [] })
    }
    tell(inner.clone())
    inner.crash()
    throw new Error('crashed')
  })
  return { records, left }
}

/** How workers are to crash. */
export interface Crashes {
  readonly guarantee: Guarantee
  /** In turn. */
  readonly moments: readonly [Moment, Moment]
  /** Lines from one crash to the next. */
  readonly step: number
  /** Lines that are scored after each crash. */
  readonly linesAfter: number
  /** After each so many crashes, all lines that are left are scored. */
  readonly everyToTheEnd: number
  /** @default 1 MiB: a chunk is one commit */
  readonly maxCommitBytes?: number
}

/** What came of the crashes. */
export interface Aftermath {
  readonly crashes: number
  /** The first difference after each crash that had one. */
  readonly failed: readonly string[]
  /** Outputs and dead letters that stand there once more. */
  readonly repetitions: number
}

/**
 * One worker reads the lines, a few at a time; each time, on a copy of what it has left, another
 * one crashes in the next few, and a third goes on.
 */
export async function crashAtEachStep(of: Case, how: Crashes): Promise<Aftermath> {
  const { golden } = of
  const { guarantee, step, maxCommitBytes = MIB } = how
  const main = freshRecords(of)
  const worker = start(of, main)
  const failed: string[] = []
  let crashes = 0
  let repetitions = 0
  for (let line = 0; line + 2 * step < golden.lines.length; line += step) {
    produce(main, of, [line, line + step])
    await settled(of, main, worker)
    crashes++
    const inner = main.clone()
    const moment = how.moments[crashes % 2] as Moment
    // Small commits end within a chunk, so there are some before the one that is cut off.
    const commitsBefore = maxCommitBytes < MIB ? crashes % 3 : 0
    const { records, left: whatIsLeft } = crashing(inner, moment, commitsBefore)
    produce(inner, of, [line + step, line + 2 * step])
    const dying = start(of, records, { guarantee, maxCommitBytes })
    const left = await whatIsLeft
    const end = await dying.done.then(
      () => 'it stopped',
      (error: unknown) => String(error),
    )
    if (!end.includes('crashed')) failed.push(`after line ${line + step}: ${end}`)
    const from = line + 2 * step
    const isLong = crashes % how.everyToTheEnd === 0
    const to = Math.min(golden.lines.length, isLong ? golden.lines.length : from + how.linesAfter)
    produce(left, of, [from, to])
    const next = start(of, left, { guarantee })
    await settled(of, left, next)
    await next.stop()
    repetitions += repetitionsIn(of, left)
    const wrong = differences(of, left, to)
    if (wrong.length > 0) failed.push(`after line ${line + step}: ${wrong[0]}`)
  }
  await worker.stop()
  return { crashes, failed, repetitions }
}
