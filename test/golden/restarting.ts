import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { Guarantee, Records } from '../../src/connect/port.ts'
import type { Observer } from '../../src/runtime/events.ts'
import type { Prepared } from '../../src/runtime/prepared.ts'
import { type Worker } from '../../src/runtime/worker.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { outputTopics, sinkStepsOf } from '../../src/topology/graph.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { committingThrough } from '../connect/committing-through.ts'
import { prepare, startWorker } from '../support/in-process.ts'
import { answersOf, idOf, outcomeOf } from './answers.ts'
import {
  type Answer,
  compareGolden,
  firstLines,
  type Golden,
  readGolden,
  unscored,
} from './golden.ts'
import { withFeatures } from './with-features.ts'
import { withoutModel } from './without-model.ts'

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
/** The time of every record: after all events, so that the future guard lets them pass. */
const RECORD_TIME_MS = Date.UTC(2027, 0, 1)
export const NOTHING_CHOSEN = { maxAhead: 'none' } as const

/**
 * The payments of `card-28h` through the topology that is shipped, which is restored from a day
 * back.
 */
export const SHIPPED = 'card-28h, as shipped'

/** The flights of `flight-delay` through its features alone. */
export const FEATURES_ALONE = 'flight-delay, features alone'

/** A golden folder, or its first lines, {@link SHIPPED} or {@link FEATURES_ALONE}. */
export async function caseOf(name: string, count?: number): Promise<Case> {
  if (name === SHIPPED) return shippedCase()
  const isAlone = name === FEATURES_ALONE
  const folder = isAlone ? 'flight-delay' : name
  const whole = readGolden(fileURLToPath(new URL(`./${folder}`, import.meta.url)))
  const golden = firstLines(isAlone ? unscored(whole) : whole, count)
  const module = (await import(golden.topologyFile)) as { default: Definition }
  const topology = isAlone ? withoutModel(module.default) : withFeatures(module.default)
  const guard = golden.maxAhead === null ? {} : { maxAhead: golden.maxAhead }
  const prepared = await prepare([topology], guard)
  return { golden, prepared, definition: topology }
}

/**
 * Its expected answers are those of one uninterrupted run, of which all but a card's first payment
 * is checked with the rest.
 */
async function shippedCase(): Promise<Case> {
  const whole = await caseOf('card-28h')
  const definition = withFeatures(cardFraud)
  const prepared = await prepare([definition], NOTHING_CHOSEN)
  const of: Case = { ...whole, prepared, definition }
  await whole.prepared.close()
  const records = freshRecords(of)
  produce(records, of, [0, of.golden.lines.length])
  const worker = start(of, records)
  await settled(of, records, worker)
  await worker.stop()
  const expected = answersIn(of, records, of.golden.lines.length)
  const others = expected.map((answer, line) => comparable(whole.golden.expected[line], answer))
  expect(compareGolden(whole.golden, others)).toEqual([])
  return { ...of, golden: { ...of.golden, expected } }
}

const SINCE = 1

/**
 * The answer with the other's score, which is another model's, and with 0 since the payment before
 * where there was none.
 */
function comparable(other: Answer | undefined, answer: Answer): Answer {
  if (other?.features === undefined || answer.features === undefined) return answer
  const isFirst = other.features[SINCE] === 0 && answer.features[SINCE] === 86_400
  const features = Array.from(answer.features)
  return {
    ...other,
    outcome: answer.outcome,
    features: isFirst ? features.with(SINCE, 0) : features,
  }
}

/** An empty log with the topics of a topology. */
export function freshRecords({ golden, definition }: Case): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords: CHUNK })
  for (const topic of [definition.source.topic, ...outputTopics(definition)]) {
    records.createTopic(topic, { partitions: golden.partitions })
  }
  return records
}

/** The same records, and the same offsets committed. */
function copyOf(of: Case, main: MemoryRecords): MemoryRecords {
  const copy = freshRecords(of)
  const { topic: source } = of.definition.source
  for (let partition = 0; partition < of.golden.partitions; partition++) {
    for (const topic of [source, ...outputTopics(of.definition)]) {
      copy.produce(main.read(topic, partition).map((record) => ({ ...record, topic, partition })))
    }
    const committed = main.committed(GROUP, { topic: source, partition })
    if (committed !== null) copy.resetOffset(GROUP, { topic: source, partition }, committed)
  }
  return copy
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

/** The differences from the expected answers to the first lines. */
function differences(of: Case, records: MemoryRecords, lines: number): string[] {
  const part = { ...of.golden, expected: of.golden.expected.slice(0, lines) }
  return compareGolden(part, answersIn(of, records, lines))
}

/** How many outputs and dead letters stand there once more. */
function repetitionsIn({ definition }: Case, records: MemoryRecords): number {
  const topics = [...sinkTopics(definition), definition.deadLetterTopic]
  const ids = topics.flatMap((topic) => records.read(topic).map(idOf))
  return ids.length - new Set(ids).size
}

/** @throws Error when an output came twice and was not the same */
function answersIn({ golden, definition }: Case, records: MemoryRecords, lines: number): Answer[] {
  const ends = new Map<number, number>()
  const places = golden.lines.slice(0, lines).map(({ partition }) => {
    const offset = ends.get(partition) ?? 0
    ends.set(partition, offset + 1)
    return { partition, offset }
  })
  const outputs = sinkTopics(definition).flatMap((topic) => records.read(topic))
  const letters = records.read(definition.deadLetterTopic)
  return answersOf(golden, places, outcomeOf(outputs, letters))
}

/** The topics of the outputs, without those of shadows. */
function sinkTopics({ then }: Definition): readonly string[] {
  return [...new Set(sinkStepsOf(then).map(({ topic }) => topic))]
}

/**
 * A worker for the lines up to each of these, one after the other on the same log.
 *
 * @returns what differs from the expected answers, outputs that stand there once more, and how
 * often a partition was restored
 */
export async function stopAtEach(of: Case, lines: readonly number[]) {
  const records = freshRecords(of)
  let restored = 0
  const observer: Observer = (event) => {
    if (event.type === 'restored') restored++
  }
  let from = 0
  for (const to of lines) {
    produce(records, of, [from, to])
    const worker = start(of, records, { observer })
    await settled(of, records, worker)
    await worker.stop()
    from = to
  }
  const failed = differences(of, records, from)
  return { failed, repetitions: repetitionsIn(of, records), restored }
}

/** Where a commit is cut off. */
export type Moment = 'before' | 'between' | 'after'

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
    inner.crash()
    tell(inner)
    throw new Error('crashed')
  })
  return { records, left }
}

/** A worker that crashes. */
export interface Crash {
  /** Lines that were committed before it started. */
  readonly line: number
  /** Lines that it reads. */
  readonly lines: number
  /** Where the commit is cut off. */
  readonly moment: Moment
  /** From 1 MiB on, a chunk is one commit; else commits end within a chunk too. */
  readonly maxCommitBytes: number
  /** Commits that succeed before. */
  readonly commitsBefore: number
  /** Lines that the next worker has answered in the end. */
  readonly to: number
}

/**
 * One worker reads the lines; where a crash is to be, another one crashes on a copy of what it has
 * left, and a third goes on.
 *
 * @param crashes in the order of their lines
 * @returns the first difference after each crash that had one, and outputs and dead letters that
 * stand there once more
 */
export async function crashAtEach(
  of: Case,
  guarantee: Guarantee,
  crashes: readonly Crash[],
): Promise<{ readonly failed: readonly string[]; readonly repetitions: number }> {
  const main = freshRecords(of)
  const worker = start(of, main)
  const failed: string[] = []
  let repetitions = 0
  let produced = 0
  for (const crash of crashes) {
    const { line, lines, moment, commitsBefore, maxCommitBytes, to } = crash
    produce(main, of, [produced, line])
    produced = line
    await settled(of, main, worker)
    const inner = copyOf(of, main)
    const { records, left: whatIsLeft } = crashing(inner, moment, commitsBefore)
    produce(inner, of, [line, line + lines])
    const dying = start(of, records, { guarantee, maxCommitBytes })
    const left = await whatIsLeft
    const end = await dying.done.then(
      () => 'it stopped',
      (error: unknown) => String(error),
    )
    if (!end.includes('crashed')) failed.push(`after line ${line}: ${end}`)
    produce(left, of, [line + lines, to])
    const next = start(of, left, { guarantee })
    await settled(of, left, next)
    await next.stop()
    repetitions += repetitionsIn(of, left)
    const wrong = differences(of, left, to)
    if (wrong.length > 0) failed.push(`after line ${line}: ${wrong[0]}`)
  }
  await worker.stop()
  return { failed, repetitions }
}
