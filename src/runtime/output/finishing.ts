import type { Header, NewRecord, TopicPartition } from '../../connect/port.ts'
import { WrittenRecords } from '../../connect/written-records.ts'
import type { EngineResult, ReadyBatch, ShadowRows, StepScores } from '../../engine/events.ts'
import type { Present } from '../../kernel/clock.ts'
import { position } from '../../kernel/ids.ts'
import type { StageClock } from '../../kernel/stages.ts'
import { decisiveStep } from '../../topology/graph.ts'
import { type CausedRecords, inLogOrder, type OutputBatch } from '../commit/output-batch.ts'
import type { SkippedRecords } from '../commit/skipped-records.ts'
import type { PreparedTopology } from '../prepared.ts'
import { deadLetter, type RecordFault } from './dead-letter.ts'
import { PassedHeaders } from './headers.ts'
import { countOutcomes, type Finishable } from './outcomes.ts'
import { engineFault, type OutputContext, Produced } from './outputs.ts'
import { chunkHeaders, decisionHeaders, scoredByHeaders } from './provenance.ts'
import type { TaskContext } from './task-context.ts'

// From the engine's result to what is written: scores, outputs, dead letters, and the events that
// report them.

/** Dead letters made before other work gets its turn: each costs as much as several outputs. */
const UNASKED = 64

/** Batches of a chunk that models have answered, and what they have seen of the tables. */
interface AnsweredBatches {
  readonly answered: readonly Answered[]
  /** The header about the tables, as they were when the features were computed. */
  readonly tables: readonly Header[]
}

/** A batch, with the scores of its model. */
export interface Answered {
  readonly ready: ReadyBatch
  /** `null`: it is at a sink, or the partition was lost meanwhile. */
  readonly scores: StepScores | null
}

/** The origins of outputs. */
interface Origins extends Pick<OutputContext, 'records' | 'nextOffset'> {
  readonly isWarming: boolean
  /** The header about the tables. */
  readonly tables: readonly Header[]
}

/** The engine's result for a whole chunk. */
export interface ChunkEnd {
  readonly result: EngineResult
  readonly keys: number
  readonly bytes: number
}

export interface Finishes {
  readonly partition: TopicPartition
  /** `null`: the topology gives no record up, or has no windows to replay. */
  readonly skippedRecords: SkippedRecords | null
}

/** Finishes the chunks of one topology on one partition. */
export class Finishing {
  readonly #topology: PreparedTopology
  readonly #place: Finishes
  readonly #context: TaskContext
  /** By the name of the score step: the headers of each decision. */
  readonly #decided: ReadonlyMap<string, readonly (readonly Header[])[]>
  readonly #passed: PassedHeaders
  /** The step that outcomes are reported for. */
  readonly #step: string

  constructor(topology: PreparedTopology, place: Finishes, context: TaskContext) {
    this.#topology = topology
    this.#place = place
    this.#context = context
    this.#decided = new Map(
      [...topology.scorers].map(([step, { decisions }]) => [step, decisions.map(decisionHeaders)]),
    )
    this.#passed = new PassedHeaders(topology.definition.source.passHeaders)
    this.#step = decisiveStep(topology.definition)
  }

  /** Waits for the model of a batch. @param stages of its chunk */
  async answered(ready: ReadyBatch, stages: StageClock): Promise<Answered> {
    if (ready.model === undefined) return { ready, scores: null }
    const { clock } = this.#context
    const startMs = clock.elapsedMs()
    const scores = await ready.model.ask()
    if (scores !== null) {
      stages.add('wait', Math.max(0, clock.elapsedMs() - startMs - scores.runMs))
      stages.add('score', scores.runMs)
    }
    return { ready, scores }
  }

  /**
   * Makes outputs and dead letters. Yields where other work may have its turn. @param end `null`:
   * more of the chunk follows
   */
  *finish(
    begun: Finishable,
    { answered, tables }: AnsweredBatches,
    end: ChunkEnd | null,
  ): Generator<void, OutputBatch> {
    const { decoded, chunk, isWarming, stages } = begun
    const { nextOffset } = chunk
    const from = this.contextOf({ records: decoded.records, nextOffset, isWarming, tables })
    const produced = stages.time('encode', () => answered.map((one) => this.produce(one, from)))
    for (const [i, { made, shadows }] of produced.entries()) {
      begun.reached.push(...made.reached)
      this.#offer(shadows, answered[i] as Answered, from)
    }
    const faults = firstFaults([
      ...(end === null ? [] : decoded.faults),
      ...(end?.result.faults.map((fault) => engineFault(fault, from)) ?? []),
      ...produced.flatMap(({ made }) => made.faults),
    ])
    const deadLetters = new WrittenRecords(faults.length)
    for (const fault of faults) {
      if (deadLetters.length % UNASKED === UNASKED - 1) yield
      const letter = this.#deadLetter(fault, from.present)
      deadLetters.write(letter, letter.topic, letter.partition)
    }
    if (end !== null) this.#tell(begun, faults, end)
    const causes = faults.map((fault) => fault.record.offset)
    const skipped = end === null ? [] : this.#skippedOf(begun)
    return {
      outputs: inLogOrder(produced.map(({ made }) => made.outputs)),
      deadLetters: inLogOrder([...skipped, { records: deadLetters, causes }]),
    }
  }

  contextOf({ records, nextOffset, isWarming, tables }: Origins): OutputContext {
    const { clock, topicLimits, sinks, checkOutput } = this.#context
    return {
      records,
      source: this.#place.partition,
      headers: [...chunkHeaders(this.#topology.by, clock.nowMs(), isWarming), ...tables],
      passed: this.#passed,
      nextOffset,
      present: clock.present(),
      topicLimits,
      sinks,
      checkOutput,
      formats: this.#topology.outputs,
    }
  }

  /** Makes the outputs of a batch that a model has answered. */
  produce({ ready, scores }: Answered, from: OutputContext) {
    const passed = ready.pass(scores)
    const by = ready.model?.reused?.by
    const headers = by ? [scoredByHeaders(by)] : (this.#decided.get(ready.step.name) ?? [[]])
    const options = { passed, from, decided: scores?.decided ?? null, headers }
    return { made: new Produced(ready, options).write(), shadows: passed.shadows ?? [] }
  }

  #offer(chosen: readonly ShadowRows[], { ready, scores }: Answered, from: OutputContext): void {
    const { model } = ready
    if (chosen.length === 0 || model === undefined || scores === null) return
    const { name } = this.#topology.definition
    this.#context.shadows?.offer(name, chosen, { ready, model, scores, from })
  }

  #skippedOf({ decoded, chunk }: Finishable): CausedRecords[] {
    const { skippedRecords } = this.#place
    if (skippedRecords === null) return []
    const { records, packed, nextOffset } = chunk
    const first = records.length > 0 ? records.offsetAt(0) : nextOffset
    return [skippedRecords.written({ offset: packed?.offset ?? first, faults: decoded.faults })]
  }

  #tell(begun: Finishable, faults: readonly RecordFault[], end: ChunkEnd): void {
    const { result, keys, bytes } = end
    const { name: topology, source } = this.#topology.definition
    const { chunk, stages } = begun
    this.#context.observer({
      type: 'processed',
      topology,
      partition: this.#place.partition,
      outcomes: countOutcomes(begun, result, faults),
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
      this.#context.observer({ type: 'looked-up', table: table.label, ...counts })
    }
    for (const store of this.#context.stores?.of(topology) ?? []) {
      const counts = store.takeCounts()
      if (Object.values(counts).every((count) => count === 0)) continue
      const labels = { topology, store: store.definition.name, bytes: store.bytes }
      this.#context.observer({ type: 'store-read', ...labels, ...counts })
    }
    for (const { step, indices } of result.late) {
      const action = source.onLate
      this.#context.observer({ type: 'late', topology, step, action, count: indices.length })
    }
  }

  #deadLetter(fault: RecordFault, present: Present): NewRecord {
    const { name: topology, deadLetterTopic: topic } = this.#topology.definition
    const { partition: source } = this.#place
    const at = position(source.topic, source.partition, fault.record.offset)
    const { code, message } = fault.error
    const { step } = fault
    this.#context.observer({ type: 'dead-letter', topology, topic, step, code, message, at })
    this.#context.onDeadLetter?.(fault, source.partition)
    const limits = this.#context.topicLimits(topic)
    return deadLetter(fault, { source, topology, topic, limits, present })
  }
}

/**
 * One dead letter for each record, for the first thing that went wrong with it, and one for each
 * window; in log order.
 */
function firstFaults(all: readonly RecordFault[]): RecordFault[] {
  const first = new Map<unknown, RecordFault>()
  for (const fault of all) {
    const cause = fault.window ?? fault.record.offset
    if (!first.has(cause)) first.set(cause, fault)
  }
  return [...first.values()].toSorted((a, b) => a.record.offset - b.record.offset)
}
