import type { Arrivals, EngineResult } from '../engine/events.ts'
import type { Present } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import type { StageClock } from '../kernel/stages.ts'
import type { Chunk, Header, NewRecord, TopicPartition } from '../records/port.ts'
import { WrittenRecords } from '../records/written-records.ts'
import type { StepAnswer } from '../scoring/step-answer.ts'
import type { StepScorer } from '../scoring/step-scorer.ts'
import { decisiveStep, scoreStepsOf } from '../topology/graph.ts'
import { type AfterModel, afterModel } from './after-model.ts'
import { type CausedRecords, inLogOrder, type OutputBatch } from './commit/output-batch.ts'
import type { Verdicts } from './commit/verdicts.ts'
import { deadLetter, type RecordFault } from './dead-letter.ts'
import { countOutcomes } from './outcomes.ts'
import { engineFault, type Following, followEvents, followScores } from './outputs.ts'
import type { Intake } from './partition/intake.ts'
import { PassedHeaders } from './passed-headers.ts'
import { PatientScoring } from './patient-scoring.ts'
import type { PreparedTopology } from './prepare.ts'
import { chunkHeaders } from './provenance.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

// From the engine's result to what is written: scores, outputs, dead letters, and the events that
// report them.

/** Dead letters made before other work gets its turn: each costs as much as several outputs. */
const UNASKED = 64

/** Events of a chunk on their way through the models, and what they have seen of the tables. */
export interface ScoredPiece {
  readonly scored: readonly ScoredArrivals[]
  /** The header about the tables, as they were when the features were computed. */
  readonly tables: readonly Header[]
}

/** Events that reached a model or a sink, with the model's scores. */
export interface ScoredArrivals {
  readonly arrivals: Arrivals
  /** `null`: it is a sink, or the partition was lost meanwhile. */
  readonly score: (AfterModel & { readonly scores: StepAnswer }) | null
}

/** A chunk that is to be finished, in part or as a whole. */
export interface Finishable {
  readonly intake: Intake
  readonly chunk: Pick<Chunk, 'records' | 'packed' | 'nextOffset'>
  /** May its windows lack events that are no longer in the log? */
  readonly isWarming: boolean
  readonly stages: StageClock
  /** Indices of the events that were scored or written so far. */
  readonly reached: number[]
}

/** What is known after the last event of a chunk has passed the engine. */
export interface ChunkEnd {
  readonly result: EngineResult
  readonly keys: number
  readonly bytes: number
}

/** What a {@link Finishing} finishes. */
interface Finishes {
  readonly partition: TopicPartition
  /** `null`: the topology gives no record up, or has no windows to replay. */
  readonly verdicts: Verdicts | null
}

/** Finishes the chunks of one topology on one partition. */
export class Finishing {
  readonly #topology: PreparedTopology
  readonly #partition: TopicPartition
  readonly #verdicts: Verdicts | null
  readonly #around: TaskSurroundings
  readonly #scoring: PatientScoring
  /** By the name of the score step. */
  readonly #afterModels: ReadonlyMap<string, AfterModel>
  readonly #passed: PassedHeaders
  /** The step that outcomes are reported for. */
  readonly #step: string

  constructor(
    topology: PreparedTopology,
    { partition, verdicts }: Finishes,
    around: TaskSurroundings,
  ) {
    this.#topology = topology
    this.#partition = partition
    this.#verdicts = verdicts
    this.#around = around
    this.#scoring = new PatientScoring(topology, partition, around)
    this.#afterModels = afterModels(topology)
    this.#passed = new PassedHeaders(topology.definition.source.passHeaders)
    this.#step = decisiveStep(topology.definition)
  }

  /** Scores events at a model; events at a sink pass. @param stages of their chunk */
  async score(arrivals: Arrivals, stages: StageClock): Promise<ScoredArrivals> {
    const { step, indices, rows, routes } = arrivals
    if (step.op === 'sink') return { arrivals, score: null }
    const { clock } = this.#around
    const startMs = clock.elapsedMs()
    const scores = await this.#scoring.score(step, { rows, count: indices.length, routes })
    if (scores === null) return { arrivals, score: null }
    stages.add('wait', Math.max(0, clock.elapsedMs() - startMs - scores.runMs))
    stages.add('score', scores.runMs)
    return { arrivals, score: { ...(this.#afterModels.get(step.name) as AfterModel), scores } }
  }

  /** Is there a model that fails, so that its events wait? */
  get isHeldUp(): boolean {
    return this.#scoring.isHeldUp
  }

  /** The partition is lost: stops waiting for models. */
  drop(): void {
    this.#scoring.stop()
  }

  /**
   * Makes outputs and dead letters. Yields where other work may have its turn. @param end `null`:
   * more of the chunk follows
   */
  *finish(
    begun: Finishable,
    { scored, tables }: ScoredPiece,
    end: ChunkEnd | null,
  ): Generator<void, OutputBatch> {
    const { intake, chunk, isWarming, stages } = begun
    const { nextOffset } = chunk
    const { clock, topicLimits } = this.#around
    const [nowMs, present] = [clock.nowMs(), clock.present()]
    const place = {
      source: this.#partition,
      headers: [...chunkHeaders(this.#topology.by, nowMs, isWarming), ...tables],
      passed: this.#passed,
      nextOffset,
      present,
      topicLimits,
      formats: this.#topology.outputs,
    }
    const from = { records: intake.records, place }
    const produced = stages.time('encode', () => scored.map((s) => follow(s, from)))
    for (const { reached } of produced) begun.reached.push(...reached)
    this.#showShadows(scored, from)
    const faults = firstFaults([
      ...(end === null ? [] : intake.faults),
      ...(end?.result.faults.map((fault) => engineFault(fault, from)) ?? []),
      ...produced.flatMap((p) => p.faults),
    ])
    const deadLetters = new WrittenRecords(faults.length)
    for (const fault of faults) {
      if (deadLetters.length % UNASKED === UNASKED - 1) yield
      const letter = this.#setAside(fault, present)
      deadLetters.write(letter, letter.topic, letter.partition)
    }
    if (end !== null) this.#tell(begun, faults, end)
    const causes = faults.map((fault) => fault.record.offset)
    const verdicts = end === null ? [] : this.#verdictsOn(begun)
    return {
      outputs: inLogOrder(produced.map((p) => p.outputs)),
      deadLetters: inLogOrder([...verdicts, { records: deadLetters, causes }]),
    }
  }

  #showShadows(scored: readonly ScoredArrivals[], from: Following): void {
    const { shadows } = this.#around
    const { name } = this.#topology.definition
    for (const { arrivals, score } of scored) {
      if (score === null || arrivals.shadowed === undefined) continue
      shadows?.offer(name, { arrivals, scores: score.scores, from })
    }
  }

  #verdictsOn({ intake, chunk }: Finishable): CausedRecords[] {
    if (this.#verdicts === null) return []
    const { records, packed, nextOffset } = chunk
    const first = records.length > 0 ? records.offsetAt(0) : nextOffset
    return [this.#verdicts.written({ offset: packed?.offset ?? first, faults: intake.faults })]
  }

  #tell(
    begun: Finishable,
    faults: readonly RecordFault[],
    { result, keys, bytes }: ChunkEnd,
  ): void {
    const { name: topology, source } = this.#topology.definition
    const { intake, chunk, reached, stages } = begun
    this.#around.observer({
      type: 'processed',
      topology,
      partition: this.#partition,
      outcomes: countOutcomes(chunk, { intake, result, reached, faults }),
      step: this.#step,
      closed: result.closed,
      durationMs: stages.durationMs,
      // Work without records, such as passing time, would hide how long the others take.
      stages: chunk.records.length === 0 ? {} : stages.times,
      watermarkMs: result.watermarkMs,
      nextOffset: chunk.nextOffset,
      keys,
      bytes,
    })
    for (const { table } of this.#topology.tables) {
      const counts = table.takeCounts()
      if (counts.found + counts.absent + counts.early === 0) continue
      this.#around.observer({ type: 'looked-up', table: table.label, ...counts })
    }
    for (const { step, indices } of result.late) {
      const action = source.onLate
      this.#around.observer({ type: 'late', topology, step, action, count: indices.length })
    }
  }

  #setAside(fault: RecordFault, present: Present): NewRecord {
    const { name: topology, deadLetterTopic: topic } = this.#topology.definition
    const { topic: from, partition } = this.#partition
    const at = position(from, partition, fault.record.offset)
    const { code, message } = fault.error
    const { step } = fault
    this.#around.observer({ type: 'dead-letter', topology, topic, step, code, message, at })
    this.#around.onSetAside?.({ partition, offset: fault.record.offset, error: fault.error })
    const limits = this.#around.topicLimits(topic)
    return deadLetter(fault, { source: this.#partition, topology, topic, limits, present })
  }
}

function follow({ arrivals, score }: ScoredArrivals, from: Following) {
  const { step } = arrivals
  if (step.op === 'sink') return followEvents(arrivals, from)
  if (score === null) throw new TidemarkError('INVARIANT', `step "${step.name}" was not scored`)
  return followScores({ arrivals, ...score }, from)
}

function afterModels({
  definition,
  format,
  scorers,
}: PreparedTopology): ReadonlyMap<string, AfterModel> {
  return new Map(
    scoreStepsOf(definition.then).map((step) => {
      const scorer = scorers.get(step.name) as StepScorer
      return [step.name, afterModel(step, scorer, format.forms)]
    }),
  )
}

/**
 * One dead letter for each record, for the first thing that went wrong with it, and one for each
 * window; in log order.
 */
function firstFaults(all: readonly RecordFault[]): RecordFault[] {
  const first = new Map<unknown, RecordFault>()
  for (const fault of all) {
    const of = fault.window ?? fault.record.offset
    if (!first.has(of)) first.set(of, fault)
  }
  return [...first.values()].toSorted((a, b) => a.record.offset - b.record.offset)
}
