import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ChunkResults, Engine } from '../../engine/engine.ts'
import type { EngineResult, ReadyBatch } from '../../engine/events.ts'
import { horizonOf, keepsState } from '../../engine/plan.ts'
import type { RunMode } from '../../engine/run.ts'
import { StageClock } from '../../kernel/stages.ts'
import { LATEST_EVENT_TIME_MS } from '../../kernel/time.ts'
import type { LoadedTable } from '../../lookup/table.ts'
import { firstFrom, NO_RECORDS } from '../../records/log-records.ts'
import type { Chunk, LogRecords, TopicPartition } from '../../records/port.ts'
import type { TopologyCheckpoint } from '../commit/checkpoint-metadata.ts'
import type { ChunkInFlight } from '../commit/in-flight.ts'
import { ReplayPoints, type RestartPlan } from '../commit/restart-plan.ts'
import type { Verdicts } from '../commit/verdicts.ts'
import type { TaskLabels } from '../events.ts'
import { type Answered, type ChunkEnd, type Finishable, Finishing } from '../output/finishing.ts'
import { type Intake } from '../output/outcomes.ts'
import { tablesHeaders } from '../output/provenance.ts'
import type { TaskContext } from '../output/task-context.ts'
import type { PreparedTopology } from '../prepared.ts'
import { EventIntake, packedIntake } from './intake.ts'
import type { KeyWatch } from './key-watch.ts'
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

interface WaitingWork extends Work {
  readonly stages: StageClock
  /** Called when it has entered the windows. */
  readonly done: () => void
}

interface TaskPlan {
  readonly partition: TopicPartition
  readonly plan: RestartPlan
  /** `null`: keys are not watched. */
  readonly keyWatch: KeyWatch | null
  /** `null`: the topology gives no record up, or has no windows to replay. */
  readonly verdicts: Verdicts | null
}

/** Runs one topology on one partition. */
export class Task {
  readonly topology: PreparedTopology
  readonly labels: TaskLabels
  readonly plan: RestartPlan
  /** Number of records that its windows needed in the replay, so far. */
  restored = 0
  readonly #context: TaskContext
  readonly #format: SchemaWait
  readonly #intake: EventIntake
  readonly #engine: Engine
  readonly #keyWatch: KeyWatch | null
  readonly #points: ReplayPoints
  readonly #horizonMs: number
  readonly #finishing: Finishing
  readonly #inbox: WaitingWork[] = []
  #isWorking = false
  /** Resolves when the work given so far has entered the windows. */
  #working: Promise<void> = Promise.resolve()
  #isOver = false
  /** The last ready batches in progress: the next ones finish after them. */
  #last: Promise<void> = Promise.resolve()
  readonly #tables: readonly LoadedTable[]
  /**
   * Outputs before this watermark may lack records that were not read; `null` until the first event
   * decides it.
   */
  #wholeFromMs: number | null
  /** Was it reported that windows are incomplete? */
  #hasTold = false

  constructor(
    topology: PreparedTopology,
    { partition, plan, keyWatch, verdicts }: TaskPlan,
    context: TaskContext,
  ) {
    const { definition, format, lookup } = topology
    this.topology = topology
    this.labels = { topology: definition.name, partition }
    this.plan = plan
    this.#context = context
    this.#finishing = new Finishing(topology, { partition, verdicts }, context)
    this.#format = new SchemaWait(format, { labels: this.labels, verdicts }, context)
    this.#keyWatch = keyWatch
    this.#engine = new Engine(definition, {
      lookup: context.stores?.lookup(definition.name, lookup) ?? lookup,
      limits: context.limits,
      reader: format.reader,
      forms: format.forms,
      scoring: (step) => this.#finishing.scoring(step),
    })
    this.#intake = new EventIntake(definition.source, format, {
      from: partition,
      partitions: keepsState(definition) ? context.partitions : null,
      keyNumbers: this.#engine.keyNumbers,
    })
    this.#engine.watermark.restore(plan.from)
    this.#horizonMs = horizonOf(definition).lengthMs
    const { lagMs } = definition.source.watermark
    this.#points = new ReplayPoints({ horizonMs: this.#horizonMs, lagMs }, plan.from)
    this.#tables = topology.tables.map(({ table }) => table)
    this.#wholeFromMs = plan.wholeFromMs
  }

  /**
   * The watermark from records alone, without idleness, ms since the epoch; −Infinity before the
   * first event.
   */
  get logWatermarkMs(): number {
    return this.#engine.watermark.parts.newestMs - this.topology.definition.source.watermark.lagMs
  }

  /**
   * The watermark at which the next tumbling window closes, ms since the epoch; +Infinity: none is
   * open.
   */
  get nextEndMs(): number {
    return this.#engine.nextEndMs
  }

  /**
   * Processes the next chunk. Its events enter the windows before this returns, unless an earlier
   * chunk is still closing windows, or this turn of the event loop has used up its share of work,
   * this chunk included. A chunk is scored while the next one is decoded; chunks finish in the
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

  /** Does it wait for a schema, or for a model that fails? */
  get isHeldUp(): boolean {
    return this.#format.isHeldUp || this.#finishing.isHeldUp
  }

  /** The partition is lost: what has begun is discarded, and nothing more is begun. */
  drop(): void {
    this.#isOver = true
    this.#format.stop()
    this.#finishing.drop()
  }

  /** Resolves when the work has entered the windows. */
  #enqueue(work: Work): Promise<void> {
    const { clock } = this.#context
    const stages = new StageClock(() => clock.elapsedMs())
    return new Promise((done) => {
      this.#inbox.push({ ...work, stages, done })
      if (this.#isWorking) return
      this.#isWorking = true
      this.#working = this.#work().catch((error) => this.#context.onFailed(error))
    })
  }

  async #work(): Promise<void> {
    for (let work = this.#inbox.shift(); work !== undefined; work = this.#inbox.shift()) {
      // Without waiting while the slice lasts and nothing is yielded: most chunks are done at
      // once.
      if (!this.#isOver && this.#context.slices.isOver) await this.#context.slices.turn()
      const waiting = this.#isOver ? null : this.#begin(work)
      if (waiting !== null) await waiting
      work.done()
    }
    this.#isWorking = false
  }

  /**
   * Runs a chunk into the windows at once, and then on to scoring.
   * @returns what to wait for before the next chunk; `null`: nothing
   */
  #begin(work: WaitingWork): Promise<void> | null {
    const { records, packed } = work.chunk
    work.entry?.begin(this.labels.topology, this.#note())
    if (records.length > 0) this.#points.add(records.offsetAt(0), this.#engine.watermark.parts)
    if (packed !== undefined) return this.#enter(work, packedIntake(packed))
    const { slices } = this.#context
    slices.use(records.length)
    const prepared = this.#format.prepare(records, modeOf(work))
    return prepared instanceof Promise
      ? this.#prepare(work, prepared)
      : this.#decode(work, prepared)
  }

  async #prepare(work: WaitingWork, preparing: Promise<LogRecords>): Promise<void> {
    const prepared = await preparing
    if (!this.#isOver) await (this.#decode(work, prepared) ?? undefined)
  }

  #decode(work: WaitingWork, records: LogRecords): Promise<void> | null {
    const { slices } = this.#context
    const decoding = this.#intake.decode(records, slices)
    const step = work.stages.time('decode', () => decoding.next())
    return step.done === true ? this.#enter(work, step.value) : this.#decodeOn(work, decoding)
  }

  /** Decodes the rest slice by slice, with a turn for timers and sockets between slices. */
  async #decodeOn(work: WaitingWork, decoding: Generator<void, Intake>): Promise<void> {
    const intake = await this.#inSlices(() => work.stages.time('decode', () => decoding.next()))
    if (intake !== null) await (this.#enter(work, intake) ?? undefined)
  }

  /**
   * Runs events into the windows, and on to scoring.
   * @returns what to wait for before the next chunk; `null`: nothing
   */
  #enter(work: WaitingWork, intake: Intake): Promise<void> | null {
    const { chunk, entry, idleMs, stages } = work
    const mode = modeOf(work)
    const isWarming = this.#isWarming
    if (isWarming && mode === 'live' && chunk.records.length > 0) this.#tellWarming()
    const results =
      idleMs === undefined
        ? this.#engine.process(intake.batch, mode)
        : this.#engine.advance(idleMs, mode)
    const { records, batch } = intake
    if (mode === 'live') {
      this.#format.follow(intake.faults)
      const { partition } = this.labels
      const { partitions } = this.#context
      const names = this.#engine.keyNumbers
      this.#keyWatch?.look({ partition, partitions, keys: batch.keys, names, records })
    }
    const begun: Begun = { entry, results, intake, chunk, isWarming, stages, reached: [] }
    const step = stages.time('windows', () => results.next())
    this.#noteFirst()
    if (step.done === true) {
      this.#end(begun, step.value)
      return null
    }
    return this.#goOn(begun, step.value)
  }

  /** Processes the rest, with a turn for timers and sockets between them. */
  async #goOn(begun: Begun, first: readonly ReadyBatch[] | Promise<unknown>): Promise<void> {
    const { clock } = this.#context
    let ready = first
    for (;;) {
      if (ready instanceof Promise) {
        const startMs = clock.elapsedMs()
        await ready
        begun.stages.add('wait', clock.elapsedMs() - startMs)
      } else {
        if (ready.length > 0) this.#finishInOrder(begun, ready, null)
        await nextTurn()
        await begun.entry?.room(MOST_WAITING)
      }
      if (this.#isOver) return
      const step = begun.stages.time('windows', () => begun.results.next())
      if (step.done === true) {
        this.#end(begun, step.value)
        return
      }
      ready = step.value
    }
  }

  #end(begun: Begun, result: EngineResult): void {
    const { keys, bytes } = this.#engine.use
    if (!this.#isWarming) this.#becomeWhole()
    this.#finishInOrder(begun, result.ready, { result, note: this.#note(), keys, bytes })
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
    const tables = tablesHeaders(this.#tables)
    const asked = Promise.all(ready.map((each) => this.#finishing.answered(each, begun.stages)))
    this.#last = this.#finishAfter(this.#last, asked, async (answered) => {
      const finishing = this.#finishing.finish(begun, { answered, tables }, end)
      const output = await this.#inSlices(() => finishing.next())
      if (output === null) return
      entry.add(output)
      if (end !== null) entry.done(this.labels.topology, end.note)
      this.#context.onFinished()
    })
    this.#last.catch((error) => this.#context.onFailed(error))
  }

  async #finishAfter(
    before: Promise<void>,
    asked: Promise<Answered[]>,
    finish: (answered: readonly Answered[]) => Promise<void>,
  ): Promise<void> {
    const [answered] = await Promise.all([asked, before])
    await finish(answered)
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

function modeOf({ entry }: Work): RunMode {
  return entry === null ? 'replay' : 'live'
}

/** A chunk that has entered the engine. */
interface Begun extends Finishable {
  /** `null`: it produces no output. */
  readonly entry: ChunkInFlight | null
  readonly results: ChunkResults
}

interface TaskEnd extends ChunkEnd {
  readonly note: TopologyCheckpoint
}
