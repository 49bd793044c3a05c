import { setImmediate as nextTurn } from 'node:timers/promises'
import { firstFrom, NO_RECORDS } from '../../connect/log-records.ts'
import type { Chunk } from '../../connect/port.ts'
import { Engine } from '../../engine/engine.ts'
import type { ReadyBatch } from '../../engine/events.ts'
import { horizonOf, keepsState } from '../../engine/plan.ts'
import type { RunMode } from '../../engine/run.ts'
import { Retrier } from '../../kernel/retrier.ts'
import { StageClock } from '../../kernel/stages.ts'
import { LATEST_EVENT_TIME_MS } from '../../kernel/time.ts'
import type { TopologyCheckpoint } from '../commit/checkpoint-metadata.ts'
import type { ChunkInFlight } from '../commit/in-flight.ts'
import { ReplayPoints, type RestartPlan } from '../commit/restart-plan.ts'
import type { TaskLabels } from '../events.ts'
import { type ChunkEnd, type Finishes, Finishing } from '../output/finishing.ts'
import { stepScoring } from '../output/model-retrier.ts'
import type { DecodedRecords, Finishable } from '../output/outcomes.ts'
import { tablesHeaders } from '../output/provenance.ts'
import type { TaskContext } from '../output/task-context.ts'
import type { PreparedTopology } from '../prepared.ts'
import type { KeyWatch } from './key-watch.ts'
import { NotNow, Previews } from './previews.ts'
import { RecordDecoder, undecodedBatch } from './record-decoder.ts'
import { SchemaWait } from './schema-wait.ts'

// One topology on one partition: chunks in, finished work out, in log order.

/** The most output batches that may wait to be written while a chunk produces more. */
const MOST_WAITING = 8

/** A chunk, and the ledger entry that waits for it. */
interface Work {
  readonly chunk: Pick<Chunk, 'records' | 'packed' | 'nextOffset'>
  /** `null`: the chunk is replayed for the windows only, without output. */
  readonly entry: ChunkInFlight | null
  /** Instead of records: the time to advance to without any, ms since the epoch. */
  readonly idleMs?: number
}

interface TaskPlan extends Finishes {
  readonly plan: RestartPlan
  /** `null`: keys are not watched. */
  readonly keyWatch: KeyWatch | null
}

/** Runs one topology on one partition. */
export class Task {
  readonly topology: PreparedTopology
  readonly labels: TaskLabels
  readonly plan: RestartPlan
  /** Number of records that its windows needed in the replay, so far. */
  restored = 0
  readonly #context: TaskContext
  /** Tries schemas and models again. */
  readonly #retrier: Retrier
  readonly #format: SchemaWait
  readonly #decoder: RecordDecoder
  readonly #engine: Engine
  readonly #keyWatch: KeyWatch | null
  readonly #points: ReplayPoints
  readonly #horizonMs: number
  readonly #finishing: Finishing
  readonly previews: Previews
  /** Resolves when the work given so far has entered the windows. */
  #working: Promise<void> = Promise.resolve()
  #isOver = false
  /** Offset of the next record that enters the windows. */
  #offset: number
  /** The last ready batches in progress: the next ones finish after them. */
  #last: Promise<void> = Promise.resolve()
  /**
   * Outputs before this watermark may lack records that were not read; `null` until the first event
   * decides it.
   */
  #wholeFromMs: number | null
  /** Whether it was reported that windows are incomplete. */
  #hasTold = false

  constructor(
    topology: PreparedTopology,
    { partition, plan, keyWatch, skippedRecords }: TaskPlan,
    context: TaskContext,
  ) {
    const { definition, format, lookup } = topology
    this.topology = topology
    this.labels = { topology: definition.name, partition }
    this.plan = plan
    this.#context = context
    this.#retrier = new Retrier(context)
    const retrying = { ...context, labels: this.labels, retrier: this.#retrier }
    this.#finishing = new Finishing(topology, { partition, skippedRecords }, context)
    this.#format = new SchemaWait(format, skippedRecords, retrying)
    this.#keyWatch = keyWatch
    this.#engine = new Engine(definition, {
      lookup: context.stores?.lookup(definition.name, lookup) ?? lookup,
      limits: context.limits,
      hash: context.hash,
      reader: format.reader,
      forms: format.forms,
      scoring: (step) => stepScoring(step, topology, retrying),
    })
    this.#decoder = new RecordDecoder(definition.source, format, {
      from: partition,
      partitions: keepsState(definition) ? context.partitions : null,
      keyNumbers: this.#engine.keyNumbers,
    })
    this.#engine.watermark.restore(plan.from)
    this.#horizonMs = horizonOf(definition).lengthMs
    const { lagMs } = definition.source.watermark
    this.#points = new ReplayPoints({ horizonMs: this.#horizonMs, lagMs }, plan.from)
    this.#wholeFromMs = plan.wholeFromMs
    this.#offset = plan.from.offset
    this.previews = new Previews(topology, {
      partition,
      clock: context.clock,
      engine: this.#engine,
      decoder: this.#decoder,
      finishing: this.#finishing,
      between: (work) => this.#between(work),
      offset: () => this.#offset,
      isWarming: () => this.#isWarming,
    })
  }

  /**
   * The watermark from records alone, without idleness, ms since the epoch; −Infinity before the
   * first event.
   */
  get logWatermarkMs(): number {
    return this.#engine.watermark.parts.newestMs - this.topology.definition.source.watermark.lagMs
  }

  /** Its windows as they are now. */
  get windows() {
    const { watermark, use } = this.#engine
    return { watermarkMs: watermark.nowMs, keys: use.keys, bytes: use.bytes }
  }

  /**
   * The watermark at which the next tumbling window closes, ms since the epoch; +Infinity: none is
   * open.
   */
  get nextEndMs(): number {
    return this.#engine.nextEndMs
  }

  /**
   * Processes the next chunk, once the earlier ones have entered the windows and this turn of the
   * event loop has work left. A chunk is scored while the next one is decoded; chunks finish in the
   * order in which they came. A chunk that cannot be finished blocks all that follow: no offset
   * after it is committed.
   */
  process(chunk: Work['chunk'], entry: ChunkInFlight): void {
    void this.#enqueue({ chunk, entry })
  }

  /** Replays a chunk for the windows only. Resolves when it has entered the windows. */
  async replay(chunk: Work['chunk']): Promise<void> {
    const records = chunk.records.slice(firstFrom(chunk.records, this.plan.from.offset))
    await this.#enqueue({ chunk: { ...chunk, records }, entry: null })
    this.restored += records.length
  }

  /** Ends the replay: repeats, without output, what idleness had done by the committed offset. */
  replayed(nextOffset: number): Promise<void> {
    const { idleMs } = this.plan
    return this.#enqueue({ chunk: { records: NO_RECORDS, nextOffset }, entry: null, idleMs })
  }

  /**
   * Advances time without a record: windows close that the watermark has reached. Resolves when
   * they have closed.
   */
  advance(idleMs: number, entry: ChunkInFlight): Promise<void> {
    const { nextOffset } = entry
    return this.#enqueue({ chunk: { records: NO_RECORDS, nextOffset }, entry, idleMs })
  }

  /** Resolves when all work given so far has entered the windows. */
  entered(): Promise<void> {
    return this.#working
  }

  /** Whether it waits for a schema, or for a model that fails. */
  get isHeldUp(): boolean {
    return this.#retrier.isHeldUp
  }

  /** The partition is lost: what has begun is discarded, and nothing more is begun. */
  drop(): void {
    this.#isOver = true
    this.#retrier.stop()
  }

  /** Runs work when everything given so far has entered the windows. @throws NotNow */
  #between<T>(work: () => T): Promise<T> {
    const done = this.#working.then(() => {
      if (this.#isOver) throw new NotNow('the partition goes to another worker')
      return work()
    })
    this.#working = done.then(() => undefined).catch(() => undefined)
    return done
  }

  /** Resolves when the work has entered the windows. */
  #enqueue(work: Work): Promise<void> {
    const { clock } = this.#context
    const stages = new StageClock(() => clock.elapsedMs())
    this.#working = this.#working.then(() => this.#run(work, stages)).catch(this.#stuck)
    return this.#working
  }

  /** Nothing follows what has failed. */
  readonly #stuck = (error: unknown): Promise<never> => {
    this.#context.onFailed(error)
    return new Promise(() => {})
  }

  /** Runs a chunk into the windows, and on to scoring. */
  async #run({ chunk, entry, idleMs }: Work, stages: StageClock): Promise<void> {
    const { slices } = this.#context
    if (!this.#isOver && slices.isOver) await slices.turn()
    if (this.#isOver) return
    entry?.begin(this.labels.topology, this.#note())
    const mode = entry === null ? 'replay' : 'live'
    const decoded = await this.#decode(chunk, mode, stages)
    if (decoded === null) return
    const isWarming = this.#isWarming
    if (mode === 'live') this.#follow(chunk, decoded)
    const begun = { entry, decoded, chunk, isWarming, stages, reached: [] }
    const results =
      idleMs === undefined
        ? this.#engine.process(decoded.batch, mode)
        : this.#engine.advance(idleMs, mode)
    let step = stages.time('windows', () => results.next())
    this.#noteFirst()
    while (step.done !== true) {
      await this.#passOn(begun, step.value)
      if (this.#isOver) return
      step = stages.time('windows', () => results.next())
    }
    this.#offset = chunk.nextOffset
    if (!this.#isWarming) this.#becomeWhole()
    const end = { result: step.value, note: this.#note(), ...this.windows }
    this.#finishInOrder(begun, step.value.ready, end)
  }

  /** @returns `null`: the partition is lost */
  async #decode({ records, packed }: Work['chunk'], mode: RunMode, stages: StageClock) {
    if (records.length > 0) this.#points.add(records.offsetAt(0), this.#engine.watermark.parts)
    if (packed !== undefined) return undecodedBatch(packed)
    const { slices } = this.#context
    slices.use(records.length)
    const decoding = this.#decoder.decode(await this.#format.prepare(records, mode), slices)
    return this.#inSlices(() => stages.time('decode', () => decoding.next()))
  }

  /** Tells what is noticed of a live chunk before it enters the windows. */
  #follow({ records: { length } }: Work['chunk'], { batch, records, faults }: DecodedRecords) {
    if (this.#isWarming && length > 0) this.#tellWarming()
    this.#format.follow(faults)
    const { partition } = this.labels
    const { partitions } = this.#context
    const names = this.#engine.keyNumbers
    this.#keyWatch?.look({ partition, partitions, keys: batch.keys, names, records })
  }

  /** Waits for what the engine waits for, or finishes what is ready and lets others have a turn. */
  async #passOn(begun: Begun, step: readonly ReadyBatch[] | Promise<unknown>): Promise<void> {
    if (step instanceof Promise) {
      const { clock } = this.#context
      const startMs = clock.elapsedMs()
      await step
      begun.stages.add('wait', clock.elapsedMs() - startMs)
      return
    }
    if (step.length > 0) this.#finishInOrder(begun, step, null)
    await nextTurn()
    await begun.entry?.room(MOST_WAITING)
  }

  /** Note for a restart that continues here. */
  #note(): TopologyCheckpoint {
    const { nowMs, parts } = this.#engine.watermark
    const { fingerprint } = this.topology
    const [from, wholeFromMs] = [this.#points.at(nowMs), this.#wholeFromMs]
    // Until the replay is over, what idleness had done is not repeated yet.
    const idleMs = Math.max(parts.idleMs, this.plan.idleMs)
    return { fingerprint, from, idleMs, wholeFromMs }
  }

  #finishInOrder(begun: Begun, ready: readonly ReadyBatch[], end: TaskEnd | null): void {
    const { entry } = begun
    if (entry === null) return
    const tables = tablesHeaders(this.topology.tables)
    const asked = Promise.all(ready.map((each) => this.#finishing.answered(each, begun.stages)))
    const before = this.#last
    const finish = async () => {
      const [answered] = await Promise.all([asked, before])
      const finishing = this.#finishing.finish(begun, { answered, tables }, end)
      const output = await this.#inSlices(() => finishing.next())
      if (output === null) return
      entry.add(output)
      if (end !== null) entry.done(this.labels.topology, end.note)
      this.#context.onFinished()
    }
    this.#last = finish().catch(this.#stuck)
  }

  /** @returns `null`: the partition is lost, and the work was abandoned */
  async #inSlices<R>(next: () => IteratorResult<void, R>): Promise<R | null> {
    for (;;) {
      if (this.#context.slices.isOver) await this.#context.slices.turn()
      if (this.#isOver) return null
      const step = next()
      if (step.done === true) return step.value
    }
  }

  /**
   * Events before the first one that was read may be missing from windows until the watermark is a
   * horizon past it. Such an event was at most the lag newer than the first, or the first one would
   * have been late.
   */
  #noteFirst(): void {
    const { firstMs } = this.#engine.watermark
    if (this.#wholeFromMs !== null || firstMs === null) return
    const { lagMs } = this.topology.definition.source.watermark
    // 2100 means never, and can be stored in a note.
    this.#wholeFromMs = Math.min(firstMs + lagMs + this.#horizonMs, LATEST_EVENT_TIME_MS)
  }

  get #isWarming(): boolean {
    return this.#wholeFromMs === null || this.#engine.watermark.nowMs < this.#wholeFromMs
  }

  #tellWarming(): void {
    if (this.#hasTold) return
    this.#hasTold = true
    this.#context.observer({ type: 'warming', ...this.labels, reason: this.plan.reason })
  }

  #becomeWhole(): void {
    this.#wholeFromMs = Number.NEGATIVE_INFINITY
    if (!this.#hasTold) return
    this.#hasTold = false
    this.#context.observer({ type: 'whole', ...this.labels })
  }
}

/** A chunk that has entered the engine. */
interface Begun extends Finishable {
  /** `null`: it produces no output. */
  readonly entry: ChunkInFlight | null
}

interface TaskEnd extends ChunkEnd {
  readonly note: TopologyCheckpoint
}
