import { setImmediate as nextTurn } from 'node:timers/promises'
import { Engine, type Pieces } from '../engine/engine.ts'
import type { Arrivals, EngineResult } from '../engine/events.ts'
import type { StateLimits } from '../engine/state-limits.ts'
import type { Clock } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import type { Chunk, LogRecord, NewRecord, TopicPartition } from '../records/port.ts'
import type { Scorer } from '../scoring/scorer.ts'
import { type Definition, stepsOf } from '../topology/definition.ts'
import { horizonOf } from '../topology/horizon.ts'
import { deadLetter } from './dead-letter.ts'
import type { Observer } from './events.ts'
import { EventIntake, type Intake, type RecordFault } from './intake.ts'
import type { Entry } from './ledger.ts'
import { countOutcomes } from './outcomes.ts'
import { engineFault, type Following, followEvents, followScores, setAll } from './outputs.ts'
import type { PreparedTopology } from './prepare.ts'
import { chunkHeaders } from './provenance.ts'
import { ReplayPoints } from './replay-points.ts'
import type { TopologyNote } from './restart-note.ts'
import type { RestartPlan } from './restart-plan.ts'

// One topology on one partition: chunks in, finished work out, in log order.

/** Pieces of one chunk that may wait to be written. */
const MOST_PIECES = 8

/** What a task needs of the worker around it. */
export interface TaskSurroundings {
  readonly clock: Clock
  readonly observer: Observer
  readonly limits: StateLimits
  /** Largest batch that a topic takes, bytes. */
  readonly maxBytes: (topic: string) => number
  /** Some of a chunk is finished. */
  onFinished(): void
  /** A chunk could not be finished; those after it will not be either. */
  onFailed(error: unknown): void
}

/** A chunk, and the entry of the ledger that waits for it. */
interface Work {
  readonly chunk: Pick<Chunk, 'records' | 'nextOffset'>
  /** `null`: it is read again for the windows only, nothing comes of it. */
  readonly entry: Entry | null
  /** Instead of records: how far time has passed without any, ms since the epoch. */
  readonly idleMs?: number
  readonly done?: () => void
}

export class Task {
  readonly topology: PreparedTopology
  readonly partition: TopicPartition
  readonly #around: TaskSurroundings
  readonly #intake: EventIntake
  readonly #engine: Engine
  readonly #points: ReplayPoints
  readonly #plan: RestartPlan
  readonly #horizonMs: number
  /** The step that outcomes are told of. */
  readonly #step: string
  readonly #inbox: Work[] = []
  #isWorking = false
  #isOver = false
  /** The last piece on its way: the next one finishes after it. */
  #last: Promise<void> = Promise.resolve()
  /** Outputs before this watermark may lack what is no longer in the log; `null` until the first event has told. */
  #wholeFromMs: number | null

  constructor(
    topology: PreparedTopology,
    { partition, plan }: { partition: TopicPartition; plan: RestartPlan },
    around: TaskSurroundings,
  ) {
    const { definition, lookup } = topology
    this.topology = topology
    this.partition = partition
    this.#around = around
    this.#intake = new EventIntake(definition.source)
    this.#engine = new Engine(definition, { lookup, limits: around.limits })
    this.#engine.restoreWatermark(plan.from)
    this.#horizonMs = horizonOf(definition).lengthMs
    this.#points = new ReplayPoints(this.#horizonMs, plan.from)
    this.#plan = plan
    this.#step = decisiveStep(definition)
    this.#wholeFromMs = plan.isCut ? null : Number.NEGATIVE_INFINITY
  }

  /** The watermark by the log alone, ms since the epoch; −Infinity before the first event. */
  get logWatermarkMs(): number {
    return this.#engine.watermarkParts.newestMs - this.topology.definition.source.watermark.lagMs
  }

  /** When the next tumbling window closes, by the watermark; +Infinity when none is open. */
  get nextEndMs(): number {
    return this.#engine.nextEndMs
  }

  /**
   * Takes the next chunk. Its events enter the windows before this returns, unless an earlier one still closes windows; it is
   * scored while the next one is taken; chunks finish in the order they came. What cannot be finished holds up all that follows: no
   * offset passes it.
   */
  take(chunk: Work['chunk'], entry: Entry): void {
    this.#enqueue({ chunk, entry })
  }

  /** Reads a chunk again for the windows only. Resolves when they have taken it. */
  replay(chunk: Work['chunk']): Promise<void> {
    const records = chunk.records.filter((r) => r.offset >= this.#plan.from.offset)
    return new Promise((done) => {
      this.#enqueue({ chunk: { ...chunk, records }, entry: null, done })
    })
  }

  /** What was replayed is whole: what idleness had done by then is done again, without output. */
  replayed(nextOffset: number): Promise<void> {
    const { idleMs } = this.#plan
    return new Promise((done) => {
      this.#enqueue({ chunk: { records: [], nextOffset }, entry: null, idleMs, done })
    })
  }

  /** Time passes without a record: windows close that the watermark has reached. Resolves when they have. */
  pass(idleMs: number, entry: Entry): Promise<void> {
    const { nextOffset } = entry
    return new Promise((done) => {
      this.#enqueue({ chunk: { records: [], nextOffset }, entry, idleMs, done })
    })
  }

  /** It is lost: what it has begun comes to nothing. */
  drop(): void {
    this.#isOver = true
  }

  #enqueue(work: Work): void {
    this.#inbox.push(work)
    if (this.#isWorking) return
    this.#isWorking = true
    this.#work().catch((error) => this.#around.onFailed(error))
  }

  async #work(): Promise<void> {
    for (let work = this.#inbox.shift(); work !== undefined; work = this.#inbox.shift()) {
      // Nothing is waited for where there is only one piece: most chunks are done in one go.
      const waiting = this.#begin(work)
      if (waiting !== null) await waiting
      work.done?.()
    }
    this.#isWorking = false
  }

  /** Up to the windows at once, then to the scores. @returns what it has to wait for before the next chunk */
  #begin(work: Work): Promise<void> | null {
    const { records } = work.chunk
    const mode = work.entry === null ? 'replay' : 'live'
    const first = records[0]
    if (first !== undefined) this.#points.pass(first.offset, this.#engine.watermarkParts)
    const intake = this.#timed('decode', () => this.#intake.take(records))
    this.#noteFirst(intake)
    const isWarming = this.#isWarming
    const pieces =
      work.idleMs === undefined
        ? this.#engine.process(intake.batch, mode)
        : this.#engine.advance(work.idleMs, mode)
    const begun: Begun = { work, intake, pieces, isWarming, reached: [] }
    const step = this.#timed('engine', () => pieces.next())
    if (step.done === true) {
      this.#end(begun, step.value)
      return null
    }
    return this.#goOn(begun, step.value)
  }

  /** One piece after the other, with a turn for timers and sockets between them. */
  async #goOn(begun: Begun, first: readonly Arrivals[]): Promise<void> {
    let arrivals = first
    for (;;) {
      this.#finishInOrder(begun, arrivals, null)
      await nextTurn()
      await begun.work.entry?.room(MOST_PIECES)
      if (this.#isOver) return
      const step = this.#timed('engine', () => begun.pieces.next())
      if (step.done === true) {
        this.#end(begun, step.value)
        return
      }
      arrivals = step.value
    }
  }

  #end(begun: Begun, result: EngineResult): void {
    if (begun.work.entry === null) return
    const note: TopologyNote = {
      fingerprint: this.topology.fingerprint,
      from: this.#points.at(this.#engine.watermarkMs),
      idleMs: this.#engine.watermarkParts.idleMs,
    }
    const { keys, bytes } = this.#engine
    this.#finishInOrder(begun, result.arrivals, { result, note, keys, bytes })
  }

  #finishInOrder(begun: Begun, arrivals: readonly Arrivals[], end: ChunkEnd | null): void {
    if (begun.work.entry === null) return
    const scored = Promise.all(arrivals.map((a) => this.#score(a)))
    this.#last = this.#finishAfter(this.#last, scored, { begun, end })
    this.#last.catch((error) => this.#around.onFailed(error))
  }

  async #finishAfter(
    before: Promise<void>,
    scored: Promise<ScoredArrivals[]>,
    { begun, end }: { begun: Begun; end: ChunkEnd | null },
  ): Promise<void> {
    const arrived = await scored
    await before
    if (this.#isOver) return
    this.#finish(begun, arrived, end)
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

  #finish(begun: Begun, scored: readonly ScoredArrivals[], end: ChunkEnd | null): void {
    const { work, intake, isWarming } = begun
    const { records, nextOffset } = work.chunk
    const entry = work.entry as Entry
    const scoredAtMs = this.#around.clock.nowMs()
    const place = {
      source: this.partition,
      headers: chunkHeaders(this.topology.by, scoredAtMs, isWarming),
      idle: { offset: nextOffset, timestampMs: scoredAtMs },
      maxBytes: this.#around.maxBytes,
    }
    const from = { records: intake.records, place }
    const produced = this.#timed('encode', () => scored.map((s) => follow(s, from)))
    for (const { reached } of produced) begun.reached.push(...reached)
    const faults = firstFaults([
      ...(end === null ? [] : intake.faults),
      ...(end?.result.faults.map((fault) => engineFault(fault, from)) ?? []),
      ...produced.flatMap((p) => p.faults),
    ])
    entry.pieces.push({
      outputs: produced.flatMap((p) => p.outputs),
      deadLetters: faults.map((fault) => this.#setAside(fault)),
      oldestMs: records.length === 0 ? null : oldestOf(records, scoredAtMs),
    })
    if (end === null) return
    entry.done(this.topology.definition.name, end.note)
    this.#tell(begun, faults, end)
  }

  #tell(begun: Begun, faults: readonly RecordFault[], { result, keys, bytes }: ChunkEnd): void {
    const { name: topology, source } = this.topology.definition
    const { records, nextOffset } = begun.work.chunk
    const { intake, reached } = begun
    this.#around.observer({
      type: 'processed',
      topology,
      partition: this.partition,
      outcomes: countOutcomes(records.length, { intake, result, reached, faults }),
      step: this.#step,
      closed: result.closed,
      watermarkMs: result.watermarkMs,
      nextOffset,
      keys,
      bytes,
    })
    for (const { step, indices } of result.late) {
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

  /** What was lost with the start of the log may still be missing from windows until a horizon after its first event. */
  #noteFirst({ batch }: Intake): void {
    if (this.#wholeFromMs !== null || batch.count === 0) return
    const { lagMs } = this.topology.definition.source.watermark
    this.#wholeFromMs = (batch.timesMs[0] as number) + lagMs + this.#horizonMs
  }

  get #isWarming(): boolean {
    return this.#wholeFromMs === null || this.#engine.watermarkMs < this.#wholeFromMs
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

/** A chunk that has entered the engine. */
interface Begun {
  readonly work: Work
  readonly intake: Intake
  readonly pieces: Pieces
  readonly isWarming: boolean
  /** Offsets of the records that were scored or written, so far. */
  readonly reached: number[]
}

/** What is known when the last event of a chunk has been taken. */
interface ChunkEnd {
  readonly result: EngineResult
  readonly note: TopologyNote
  readonly keys: number
  readonly bytes: number
}

interface ScoredArrivals {
  readonly arrivals: Arrivals
  /** `null` for a sink; the error when the whole batch could not be scored. */
  readonly score:
    | { readonly scorer: Scorer; readonly scores: Awaited<ReturnType<Scorer['score']>> }
    | TidemarkError
    | null
}

function follow({ arrivals, score }: ScoredArrivals, from: Following) {
  const { step } = arrivals
  if (step.op === 'sink') return followEvents(step, arrivals, from)
  if (score instanceof TidemarkError) {
    return { outputs: [], faults: setAll(arrivals, score, from), reached: [] }
  }
  if (score === null) throw new TidemarkError('INVARIANT', `step "${step.name}" was not scored`)
  return followScores(step, { arrivals, ...score }, from)
}

function oldestOf(records: readonly LogRecord[], nowMs: number): number {
  return records.reduce((ms, r) => Math.min(ms, r.timestampMs), nowMs)
}

/** The first step that keeps windows, or else writes. */
function decisiveStep({ then }: Definition): string {
  const steps = [...stepsOf(then)]
  const keeps = steps.find((s) => s.op === 'features' || s.op === 'tumbling')
  return (keeps ?? steps.find((s) => s.op === 'sink'))?.name ?? ''
}

/** One dead letter a record, for the first thing that went wrong with it, and one a window; in log order. */
function firstFaults(all: readonly RecordFault[]): RecordFault[] {
  const first = new Map<unknown, RecordFault>()
  for (const fault of all) {
    const of = fault.window ?? fault.record.offset
    if (!first.has(of)) first.set(of, fault)
  }
  return [...first.values()].toSorted((a, b) => a.record.offset - b.record.offset)
}
