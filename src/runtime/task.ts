import { Engine } from '../engine/engine.ts'
import type { Arrivals, EngineResult } from '../engine/events.ts'
import type { Clock } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import type { Assignment, Chunk, NewRecord, TopicPartition } from '../records/port.ts'
import type { Scorer } from '../scoring/scorer.ts'
import { type Definition, stepsOf } from '../topology/definition.ts'
import { deadLetter } from './dead-letter.ts'
import type { Observer } from './events.ts'
import { EventIntake, type Intake, type RecordFault } from './intake.ts'
import { type Finished, Ledger } from './ledger.ts'
import { countOutcomes } from './outcomes.ts'
import { followEvents, followScores, type Produced } from './outputs.ts'
import type { PreparedTopology } from './prepare.ts'
import { chunkHeaders } from './provenance.ts'

// One topology on one partition: chunks in, finished work out, in log order.

/** What a task needs of the worker around it. */
export interface TaskSurroundings {
  readonly clock: Clock
  readonly observer: Observer
  /** Largest batch that a topic takes, bytes. */
  readonly maxBytes: (topic: string) => number
  /** Some chunk is finished. */
  onFinished(): void
  /** A chunk could not be finished; those after it will not be either. */
  onFailed(error: unknown): void
}

export class Task {
  readonly topology: PreparedTopology
  readonly partition: TopicPartition
  readonly epoch: number
  /** Finished work that is not committed yet. */
  readonly ledger: Ledger
  readonly #around: TaskSurroundings
  readonly #intake: EventIntake
  readonly #engine: Engine
  /** The step that outcomes are told of. */
  readonly #step: string
  /** The last chunk on its way: the next one finishes after it. */
  #last: Promise<void> = Promise.resolve()

  constructor(topology: PreparedTopology, assignment: Assignment, around: TaskSurroundings) {
    this.topology = topology
    this.partition = { topic: assignment.topic, partition: assignment.partition }
    this.epoch = assignment.epoch
    this.ledger = new Ledger()
    this.#around = around
    this.#intake = new EventIntake(topology.definition.source)
    this.#engine = new Engine(topology.definition, topology.lookup)
    this.#step = decisiveStep(topology.definition)
  }

  /**
   * Takes the next chunk. Its events enter the windows before this returns; it is scored while the next one is taken;
   * chunks finish in the order they came. What cannot be finished holds up all that follows: no offset passes it.
   */
  take(chunk: Chunk): void {
    this.ledger.open(weightOf(chunk))
    this.#last = this.#finishAfter(this.#last, this.#begin(chunk))
    this.#last.catch((error) => this.#around.onFailed(error))
  }

  /** Up to the windows at once, then to the scores. */
  async #begin(chunk: Chunk): Promise<Work> {
    const { records, endOffset } = chunk
    this.#around.observer({
      type: 'consumed',
      topology: this.topology.definition.name,
      partition: this.partition,
      records: records.length,
      bytes: valueBytes(chunk),
      endOffset,
    })
    const intake = this.#timed('decode', () => this.#intake.take(records))
    const result = this.#timed('engine', () => this.#engine.process(intake.batch))
    const scored = await Promise.all(result.arrivals.map((arrivals) => this.#score(arrivals)))
    return { chunk, intake, result, scored }
  }

  async #finishAfter(before: Promise<void>, begun: Promise<Work>): Promise<void> {
    const work = await begun
    await before
    this.ledger.close(this.#finish(work))
    this.#around.onFinished()
  }

  async #score(arrivals: Arrivals): Promise<ScoredArrivals> {
    const { step, indices, rows } = arrivals
    if (step.op === 'sink') return { arrivals, score: null }
    const scorer = this.topology.scorers.get(step.name) as Scorer
    const { clock, observer } = this.#around
    const startMs = clock.elapsedMs()
    try {
      const scores = await scorer.score(rows, indices.length)
      const durationMs = clock.elapsedMs() - startMs
      const { name: model, version } = step.model
      const topology = this.topology.definition.name
      if (indices.length > 0) {
        observer({ type: 'inference', topology, model, version, rows: indices.length, durationMs })
      }
      return { arrivals, score: { scorer, scores } }
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError) || thrown.action !== 'dead-letter') throw thrown
      return { arrivals, score: thrown }
    }
  }

  #finish({ chunk, intake, result, scored }: Work): Finished {
    const scoredAtMs = this.#around.clock.nowMs()
    const place = {
      source: this.partition,
      headers: chunkHeaders(this.topology.by, scoredAtMs),
      maxBytes: this.#around.maxBytes,
    }
    const produced = this.#timed('encode', () =>
      scored.map((s) => follow(s, { records: intake.records, place })),
    )
    const faults = firstFaults(intake, result, produced)
    this.#tell(chunk, { intake, result, produced, faults })
    return {
      outputs: produced.flatMap((p) => p.outputs),
      deadLetters: faults.map((fault) => this.#setAside(fault)),
      nextOffset: chunk.nextOffset,
      oldestMs: chunk.records.reduce((ms, r) => Math.min(ms, r.timestampMs), scoredAtMs),
    }
  }

  #tell(chunk: Chunk, done: Parameters<typeof countOutcomes>[1]): void {
    const { name: topology, source } = this.topology.definition
    this.#around.observer({
      type: 'processed',
      topology,
      partition: this.partition,
      outcomes: countOutcomes(chunk.records.length, done),
      step: this.#step,
      watermarkMs: done.result.watermarkMs,
      nextOffset: chunk.nextOffset,
    })
    for (const { step, indices } of done.result.late) {
      const action = source.onLate
      this.#around.observer({ type: 'late', topology, step, action, count: indices.length })
    }
  }

  #setAside(fault: RecordFault): NewRecord {
    const { definition } = this.topology
    const topic = definition.deadLetterTopic
    const at = position(this.partition.topic, this.partition.partition, fault.record.offset)
    const { code, message } = fault.error
    const topology = definition.name
    this.#around.observer({
      type: 'dead-letter',
      topology,
      topic,
      step: fault.step,
      code,
      message,
      at,
    })
    const maxBytes = this.#around.maxBytes(topic)
    return deadLetter(fault, { source: this.partition, topology, topic, maxBytes })
  }

  #timed<R>(step: 'decode' | 'engine' | 'encode', of: () => R): R {
    const startMs = this.#around.clock.elapsedMs()
    const result = of()
    const durationMs = this.#around.clock.elapsedMs() - startMs
    const topology = this.topology.definition.name
    this.#around.observer({ type: 'step', topology, step, durationMs })
    return result
  }
}

/** About what an event and its output weigh beside the record's bytes. */
const EVENT_BYTES = 200

function valueBytes({ records }: Chunk): number {
  return records.reduce((sum, r) => sum + (r.value?.length ?? 0), 0)
}

function weightOf(chunk: Chunk): number {
  return valueBytes(chunk) + EVENT_BYTES * chunk.records.length
}

interface Work {
  readonly chunk: Chunk
  readonly intake: Intake
  readonly result: EngineResult
  readonly scored: readonly ScoredArrivals[]
}

interface ScoredArrivals {
  readonly arrivals: Arrivals
  /** `null` for a sink; the error when the whole batch could not be scored. */
  readonly score:
    | { readonly scorer: Scorer; readonly scores: Awaited<ReturnType<Scorer['score']>> }
    | TidemarkError
    | null
}

function follow(
  { arrivals, score }: ScoredArrivals,
  from: Parameters<typeof followEvents>[2],
): Produced {
  const { step } = arrivals
  if (step.op === 'sink') return followEvents(step, arrivals, from)
  if (score instanceof TidemarkError) {
    const faults = arrivals.indices.map((i) => ({
      record: from.records[i] as RecordFault['record'],
      step: step.name,
      error: score,
    }))
    return { outputs: [], faults, reached: [] }
  }
  if (score === null) throw new TidemarkError('INVARIANT', `step "${step.name}" was not scored`)
  return followScores(step, { arrivals, ...score }, from)
}

/** The first step that keeps windows, or else writes. */
function decisiveStep({ then }: Definition): string {
  const steps = [...stepsOf(then)]
  return (steps.find((s) => s.op === 'features') ?? steps.find((s) => s.op === 'sink'))?.name ?? ''
}

/** One dead letter a record, for the first thing that went wrong with it; in log order. */
function firstFaults(
  intake: Intake,
  result: EngineResult,
  produced: readonly Produced[],
): RecordFault[] {
  const faults = new Map<number, RecordFault>()
  const all = [
    ...intake.faults,
    ...result.faults.map(({ index, step, error }) => ({
      record: intake.records[index] as RecordFault['record'],
      step,
      error,
    })),
    ...produced.flatMap((p) => p.faults),
  ]
  for (const fault of all) {
    if (!faults.has(fault.record.offset)) faults.set(fault.record.offset, fault)
  }
  return [...faults.values()].toSorted((a, b) => a.record.offset - b.record.offset)
}
