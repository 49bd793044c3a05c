import { ListedRecords } from '../../connect/log-records.ts'
import type { Header, LogRecords, NewRecord, TopicPartition } from '../../connect/port.ts'
import type { Engine } from '../../engine/engine.ts'
import type { EngineResult, ModelBatch, ReadyBatch, StepScores } from '../../engine/events.ts'
import { planOf } from '../../engine/plan.ts'
import { Dictionary } from '../../engine/store/dictionary.ts'
import type { Format } from '../../formats/format.ts'
import { UNWRITTEN } from '../../formats/record-decoding.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { TidemarkError } from '../../kernel/errors.ts'
import { partitionOfKey } from '../../kernel/kafka.ts'
import { drawnHash } from '../../kernel/random.ts'
import { atOnce, Slices } from '../../kernel/slices.ts'
import type { Definition } from '../../topology/definition.ts'
import { takesSecond } from '../../topology/function-source.ts'
import type { RecordFault } from '../output/dead-letter.ts'
import type { Finishing } from '../output/finishing.ts'
import { engineFault } from '../output/outputs.ts'
import { tablesHeaders } from '../output/provenance.ts'
import type { PreparedTopology } from '../prepared.ts'
import { RecordDecoder } from './record-decoder.ts'

// Outputs that a topology would write of an event if it were the next record of its partition. Nothing is
// kept of it.

/** An event that somebody asks about, as its records have it. */
export interface RequestRecord {
  readonly key: Buffer
  readonly value: Buffer
  readonly headers: readonly Header[]
}

/** The place in the log at which a task has answered. */
export interface AsOf {
  readonly partition: number
  /** Offset of the next record that enters the windows. */
  readonly offset: number
  /** ms since the epoch; −Infinity before the first event. */
  readonly watermarkMs: number
}

export interface Preview {
  readonly outputs: readonly NewRecord[]
  /** Why it would be a dead letter; `null`: it would not. */
  readonly fault: { readonly step: string; readonly error: TidemarkError } | null
  /** Why it was left out; `null`: it was not. */
  readonly leftOut: 'late' | 'duplicate' | 'skipped' | null
  /** The answer of the first model that it reaches; `null`: it reaches none. */
  readonly scored: ReturnType<ModelBatch['read']> | null
  /** Whether its windows may lack events that are no longer in the log. */
  readonly isWarming: boolean
  readonly asOf: AsOf
}

/** Why nothing is answered now: the partition is elsewhere, moves, or is restored. */
export class NotNow extends Error {}

/** Too many wait for one task. */
export class TooMany extends Error {}

/** Records of one task that may wait. */
const MOST_WAITING = 1_024

/** Finds where an event belongs. */
export class Locator {
  readonly definition: Definition
  /** Whether anything is written that is not the result of a window. */
  readonly hasOutputs: boolean
  /** Whether its keys come from records, so that an event alone has none. */
  readonly needsKey: boolean
  readonly #format: Format
  readonly #keyNumbers = new Dictionary(drawnHash())
  readonly #decoder: RecordDecoder

  constructor(topology: PreparedTopology) {
    const { definition, format } = topology
    const from = { topic: definition.source.topic, partition: UNWRITTEN }
    this.definition = definition
    this.hasOutputs = planOf(definition).some(
      ({ step, rule, place }) => rule.topic?.(step) !== undefined && place.results === null,
    )
    this.needsKey = takesSecond(definition.source.key)
    this.#format = format
    this.#decoder = new RecordDecoder(definition.source, format, {
      from,
      partitions: null,
      keyNumbers: this.#keyNumbers,
    })
  }

  /**
   * The record with its key, and its partition. @param record its key is `null`: that of the event
   * @throws TidemarkError of the dead letter that it would be
   */
  async locate(
    { key, ...record }: Omit<RequestRecord, 'key'> & { readonly key: Buffer | null },
    { partitions, clock }: { readonly partitions: number; readonly clock: Clock },
  ): Promise<{ readonly record: RequestRecord; readonly partition: number }> {
    const raw = { ...record, offset: UNWRITTEN, timestampMs: clock.nowMs(), key: key ?? NO_KEY }
    const records = new ListedRecords([raw])
    await this.#format.prepare(records, { clock, mayGiveUp: false })
    const { batch, faults } = atOnce(this.#decoder.decode(records, new Slices()))
    const [fault] = faults
    if (fault !== undefined) throw fault.error
    const eventKey = key ?? Buffer.from(String(this.#keyNumbers.cellOf(batch.keys[0] as number)))
    this.#keyNumbers.expire(MOST_KEYS)
    return {
      record: { ...record, key: eventKey },
      partition: this.partitionOf(eventKey, partitions),
    }
  }

  partitionOf(key: Buffer, partitions: number): number {
    const { partitioner } = this.definition.source
    return partitionOfKey(key, partitions, partitioner === 'crc32' ? 'crc32' : 'murmur2')
  }
}

/** More than an event has: all are forgotten. */
const MOST_KEYS = 10

const NO_KEY = Buffer.alloc(0)

interface PreviewsOptions {
  readonly partition: TopicPartition
  readonly clock: Clock
  readonly engine: Engine
  readonly decoder: RecordDecoder
  readonly finishing: Finishing
  /** Runs work between two chunks. @throws NotNow */
  readonly between: <T>(work: () => T) => Promise<T>
  readonly offset: () => number
  readonly isWarming: () => boolean
}

/** Previews by one task. */
export class Previews {
  readonly #topology: PreparedTopology
  readonly #o: PreviewsOptions
  /** Resolves when the last one has its rows of stores: they share a place for them. */
  #fetching: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(topology: PreparedTopology, options: PreviewsOptions) {
    this.#topology = topology
    this.#o = options
  }

  /**
   * @param check called when its turn comes; what it throws ends the preview
   * @throws NotNow · TooMany · TidemarkError `MODEL_FAILING`, `MODEL_LOST`
   */
  async preview(record: RequestRecord, check: () => void): Promise<Preview> {
    if (this.#waiting >= MOST_WAITING) throw new TooMany(`${this.#waiting} requests wait already`)
    this.#waiting++
    const entering = this.#fetching.then(() => this.#enter(record, check))
    this.#fetching = entering
      .catch(() => {})
      .finally(() => {
        this.#waiting--
      })
    return this.#finish(await entering)
  }

  /** State of a key; `null`: nothing is kept. @throws NotNow */
  state(key: string) {
    return this.#o.between(() => ({ states: this.#o.engine.peek(key), asOf: this.#asOf() }))
  }

  #asOf(): AsOf {
    const { partition, offset, engine } = this.#o
    const watermarkMs = engine.watermark.nowMs
    return { partition: partition.partition, offset: offset(), watermarkMs }
  }

  /** Waits for rows of stores outside of the chunks, and then begins again. */
  async #enter(record: RequestRecord, check: () => void): Promise<Entered> {
    for (;;) {
      const entered = await this.#o.between(() => {
        check()
        return { of: this.#process(record) }
      })
      if (!(entered.of instanceof Promise)) return entered.of
      await entered.of
    }
  }

  #process(record: RequestRecord): Entered | Promise<unknown> {
    const { clock, engine, decoder, isWarming } = this.#o
    const asOf = this.#asOf()
    const { offset } = asOf
    const timestampMs = clock.nowMs()
    const records = new ListedRecords([{ ...record, offset, timestampMs }])
    const { batch, records: events, faults } = atOnce(decoder.decode(records, new Slices()))
    const ready: ReadyBatch[] = []
    const results = engine.process(batch, 'preview', record)
    for (;;) {
      const { done, value } = results.next()
      if (value instanceof Promise) return value
      if (done === true) {
        ready.push(...value.ready)
        return { asOf, isWarming: isWarming(), records: events, faults, result: value, ready }
      }
      ready.push(...value)
    }
  }

  async #finish(entered: Entered): Promise<Preview> {
    const { records, result, asOf, isWarming, ready } = entered
    const { finishing } = this.#o
    const tables = tablesHeaders(this.#topology.tables)
    const nextOffset = asOf.offset + 1
    const from = finishing.contextOf({ records, nextOffset, isWarming, tables })
    const faults = [...entered.faults, ...result.faults.map((fault) => engineFault(fault, from))]
    const outputs: NewRecord[] = []
    let scored: Preview['scored'] = null
    // A batch may have lost its only event to a condition.
    for (const each of ready.filter(({ indices }) => indices.length > 0)) {
      const scores = await this.#scoresOf(each)
      const { made } = finishing.produce({ ready: each, scores }, from)
      faults.push(...made.faults)
      outputs.push(...made.outputs.records)
      if (made.faults.length === 0 && scores !== null)
        scored ??= each.model?.read(0, scores) ?? null
    }
    const [fault = null] = faults
    const isLate = result.late.some(({ indices }) => indices.length > 0)
    const why = result.duplicates.length > 0 ? 'duplicate' : 'skipped'
    const leftOut = outputs.length > 0 || fault !== null ? null : isLate ? 'late' : why
    return { outputs, fault, leftOut, scored, isWarming, asOf }
  }

  /** Asks the models themselves: what is asked is neither retried nor counted as the stream's. */
  async #scoresOf({ step, model, indices }: ReadyBatch): Promise<StepScores | null> {
    const scorer = this.#topology.scorers.get(step.name)
    if (model === undefined || scorer === undefined) return null
    if (model.reused !== undefined) return model.reused.scores
    return scorer.score({
      rows: model.rows,
      count: indices.length,
      routes: model.routes,
      yields: true,
    })
  }
}

/** A record that was processed. */
interface Entered extends Pick<Preview, 'asOf' | 'isWarming'> {
  readonly records: LogRecords
  readonly faults: readonly RecordFault[]
  readonly result: EngineResult
  readonly ready: readonly ReadyBatch[]
}
