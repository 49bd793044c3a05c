import type { Events } from '../columns/events.ts'
import { ScannedEvents } from '../columns/scanned-events.ts'
import { type Arrivals, type EngineFault, NO_EVENTS, type WindowResult } from '../engine/events.ts'
import { ChunkRun } from '../engine/run.ts'
import type { OutputFormat } from '../formats/format.ts'
import { eventKey } from '../formats/identity.ts'
import { encodeOutput, outputText } from '../formats/json/output.ts'
import type { ScoredRows } from '../formats/json/segments.ts'
import type { Present } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { outputId, windowId } from '../kernel/ids.ts'
import type { Header, LogRecord, LogRecords, TopicPartition } from '../records/port.ts'
import type { OutgoingHeader, OutgoingRecord } from '../records/record-format.ts'
import { WrittenRecords } from '../records/written-records.ts'
import type { StepAnswer } from '../scoring/step-answer.ts'
import type { SinkStep } from '../topology/definition.ts'
import type { AfterModel } from './after-model.ts'
import type { CausedRecords } from './commit/output-batch.ts'
import type { RecordFault } from './dead-letter.ts'
import { type DirectSinks, DirectWriter, type OutputOf } from './direct-outputs.ts'
import type { PassedHeaders } from './passed-headers.ts'
import { ID_HEADER, LATE_HEADER } from './provenance.ts'
import { sinkHeaders } from './sink-headers.ts'
import { batchBytes, isTooLarge, type TopicLimits, timestampFault } from './topic-limits.ts'

// From scores to records: the author's functions, then value, key and headers.

interface OutputContext {
  readonly source: TopicPartition
  /** The offset after the chunk: the position of window results that no event has closed. */
  readonly nextOffset: number
  readonly present: Present
  /** Headers shared by all outputs of the chunk. */
  readonly headers: readonly Header[]
  /** Headers that outputs get from their records. */
  readonly passed: PassedHeaders
  readonly topicLimits: (topic: string) => TopicLimits
  /** By name of the sink; all others write JSON. */
  readonly formats: ReadonlyMap<string, OutputFormat>
}

/** The results of the events that reached a model or a sink. */
export interface Produced {
  readonly outputs: CausedRecords
  readonly faults: readonly RecordFault[]
  /**
   * Indices of the events that were scored, or that reached a sink without a model; window results
   * are not included.
   */
  readonly reached: readonly number[]
}

/** Makes outputs of events that reached a sink without a model. */
export function followEvents(arrivals: Arrivals, from: Following): Produced {
  const { indices, events } = arrivals
  const places = indices.map((_, i) => i)
  const byPlace = { at: (i: number) => events.at(indices[i] as number) }
  const tail = new Tail({ arrivals, from, rows: null, decided: NOT_DECIDED })
  return tail.write([{ ...arrivals, indices: places, events: byPlace }], null)
}

/**
 * Passes scored events through the steps after their model. An event on which a step fails, or
 * whose score is not finite, is set aside alone.
 */
export function followScores(scored: ScoredEvents, from: Following): Produced {
  const { arrivals, scores } = scored
  const { indices, rows: features, carried = NONE_CARRIED, events } = arrivals
  const isScanned = events instanceof ScannedEvents
  const rows = isScanned ? { events, indices, scores: scores.columns, features, carried } : null
  const decided = { numbers: scores.decided, headers: scored.headers }
  return new Tail({ arrivals, from, rows, decided }).follow(scored)
}

/** What was decided about events that have reached a model. */
interface Decided {
  /** By row, the number of the decision; `null`: 0 for all. */
  readonly numbers: Uint8Array | null
  /** By number of the decision. */
  readonly headers: readonly (readonly Header[])[]
}

const NOT_DECIDED: Decided = { numbers: null, headers: [[]] }

interface ScoredEvents extends AfterModel {
  readonly arrivals: Arrivals
  readonly scores: StepAnswer
}

/** Scored events whose outputs can be written straight from columns. */
interface Direct {
  readonly sinks: DirectSinks
  readonly events: ScannedEvents
}

/** What outputs are made from. */
export interface Following {
  /** Indexed by the event's index in the chunk. */
  readonly records: LogRecords
  readonly place: OutputContext
}

/** The origin of an output: a record, or a window's result and the record that caused it. */
interface Origin {
  readonly record: LogRecord
  readonly window: WindowResult | null
  /** Was the event behind the watermark? */
  readonly isLate: boolean
}

interface PassingOrigin extends Origin {
  /** The headers that say what was decided about it. */
  readonly decided: readonly Header[]
  /** The record's headers that the output gets. */
  readonly passed: readonly OutgoingHeader[]
}

/** What is to be written to one sink, in order. */
interface AtSink {
  readonly step: SinkStep
  /** `null`: JSON. */
  readonly format: OutputFormat | null
  readonly indices: readonly number[]
  readonly events: Events
  /** Position in `indices` of the next one to write. */
  next: number
}

interface TailOptions {
  readonly arrivals: Arrivals
  readonly from: Following
  /** `null`: no output is written from columns. */
  readonly rows: ScoredRows | null
  readonly decided: Decided
}

/**
 * Makes outputs of what arrived at one step. In this class, an event's index is its position among
 * those that arrived.
 */
class Tail implements Produced {
  readonly outputs: { readonly records: WrittenRecords; readonly causes: number[] }
  readonly faults: RecordFault[] = []
  readonly reached: number[] = []
  readonly #arrivals: Arrivals
  readonly #from: Following
  readonly #decided: Decided
  readonly #of = { index: 0, isLate: false, decision: 0 }
  readonly #run = new ChunkRun('live')
  readonly #writer: DirectWriter
  /** `null`: none of the records has a header. */
  readonly #passed: PassedHeaders | null
  /**
   * The topic of the last output, and its limits: most outputs go to the same topic as the one
   * before.
   */
  #topic = ''
  #limits: TopicLimits | null = null

  constructor({ arrivals, from, rows, decided }: TailOptions) {
    this.#arrivals = arrivals
    this.#from = from
    this.#decided = decided
    const into = new WrittenRecords(arrivals.indices.length)
    this.outputs = { records: into, causes: [] }
    const { records, place } = from
    const { source, headers } = place
    const passed = records.hasHeaders ? place.passed : null
    this.#passed = passed
    const own = { source, headers, decided: decided.headers }
    this.#writer = new DirectWriter({ ...own, passed, records, into }, rows)
  }

  follow(scored: ScoredEvents): this {
    const { scores, reader, behind } = scored
    const direct = this.#directOf(scored)
    const arrivals = this.#arrivals
    const count = arrivals.indices.length
    const indices: number[] = []
    for (const [i, error] of scores.faults) this.#run.fault(i, arrivals.step.name, error)
    for (let i = 0; i < count; i++) {
      if (direct !== null && this.#canWrite(direct, i)) continue
      if (!scores.faults.has(i)) indices.push(i)
    }
    const events = { at: (i: number) => reader.read(i, arrivals, scores) }
    const flow = { count, indices, events, windows: null, ...OF_NO_WINDOWS }
    for (const operator of behind) Array.from(operator.process(flow, this.#run))
    return this.write(this.#run.takeArrivals(), direct)
  }

  /**
   * Writes what arrived at sinks, in log order. For each event, either all outputs are kept or
   * none.
   */
  write(arrived: readonly Arrivals[], direct: Direct | null): this {
    const { formats } = this.#from.place
    const sinks = arrived.map(({ step, indices, events }): AtSink => {
      const format = formats.get(step.name) ?? null
      return { step: step as SinkStep, format, indices, events, next: 0 }
    })
    for (let i = 0; i < this.#arrivals.indices.length; i++) {
      const fault = this.#run.faultOf(i) ?? this.#writeOne(i, sinks, direct)
      if (fault !== null) this.faults.push(faultOf(this.#originOf(i), fault.step, fault.error))
      else if (this.#arrivals.windows === null) {
        this.reached.push(this.#arrivals.indices[i] as number)
      }
    }
    return this
  }

  /** `null`: every event passes through the steps after the model. */
  #directOf(scored: ScoredEvents): Direct | null {
    const { sinks, arrivals } = scored
    const { events } = arrivals
    if (sinks === null || !(events instanceof ScannedEvents)) return null
    return { sinks, events }
  }

  /** Can the event be written from columns? */
  #canWrite({ events }: Direct, i: number): boolean {
    return events.memoryOf(this.#arrivals.indices[i] as number) !== null
  }

  /** The same object each time: it is read at once. */
  #outputOf(i: number): OutputOf {
    const { indices, late } = this.#arrivals
    const { numbers } = this.#decided
    const of = this.#of
    of.index = indices[i] as number
    of.isLate = late.size > 0 && late.has(of.index)
    of.decision = numbers === null ? 0 : (numbers[i] as number)
    return of
  }

  /**
   * Writes all outputs of an event. Returns what is wrong with one of them; `null`: nothing is, and
   * all were written.
   */
  #writeOne(
    i: number,
    sinks: readonly AtSink[],
    direct: Direct | null,
  ): Pick<EngineFault, 'step' | 'error'> | null {
    const { records, causes } = this.outputs
    const before = records.length
    let step = ''
    try {
      if (direct !== null && this.#canWrite(direct, i)) {
        const of = this.#outputOf(i)
        const offset = this.#from.records.offsetAt(of.index)
        for (const sink of direct.sinks.of(of.decision)) {
          step = sink.step.name
          this.#writer.write(sink, i, of)
          this.#check(offset)
        }
      }
      for (const sink of sinks) {
        if (sink.indices[sink.next] !== i) continue
        sink.next++
        step = sink.step.name
        this.#check(this.#writeAt(sink, i))
      }
      return null
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
      records.cut(before)
      causes.length = before
      // Skip its other outputs, so that they are not taken for those of another event.
      for (const sink of sinks) if (sink.indices[sink.next] === i) sink.next++
      return { step, error }
    }
  }

  /** Adds an event's output of any kind. Returns the offset of the record that it came from. */
  #writeAt({ step, format, events }: AtSink, i: number): number {
    const { indices, windows } = this.#arrivals
    const { records } = this.#from
    const event = events.at(i)
    const of = this.#outputOf(i)
    if (windows === null && step.key === null && step.headers === undefined) {
      if (format === null) this.#writer.writeText(step, outputText(event), of)
      else this.#writer.writeBytes(step, format.encode(event), of)
      return records.offsetAt(of.index)
    }
    const origin = this.#originOf(i)
    const passed = windows === null ? this.#passedBy(indices[i] as number) : []
    const decided = this.#decided.headers[of.decision] ?? []
    this.outputs.records.write(
      this.#encode({ step, format }, event, { ...origin, decided, passed }),
      step.topic,
    )
    return origin.record.offset
  }

  /** The headers that the outputs of an event get from its record. */
  #passedBy(index: number): readonly OutgoingHeader[] {
    const passed = this.#passed
    return passed === null || passed.find(this.#from.records, index) === 0 ? [] : passed.list()
  }

  /**
   * Checks the output that was added last.
   * @throws TidemarkError `OUTPUT_TOO_LARGE` · `OUTPUT_TIMESTAMP`: its topic would reject it
   */
  #check(offset: number): void {
    const { records, causes } = this.outputs
    const { topicLimits, present } = this.#from.place
    const last = records.length - 1
    const topic = records.topic(last)
    if (this.#limits === null || topic !== this.#topic) {
      this.#topic = topic
      this.#limits = topicLimits(topic)
    }
    causes.push(offset)
    checkTaken(records, last, { limits: this.#limits, present })
  }

  #originOf(i: number): Origin {
    const { indices, windows, late } = this.#arrivals
    const index = indices[i] as number
    const isLate = late.has(index)
    if (windows === null) return { record: this.#from.records.at(index), window: null, isLate }
    const window = windows[index] as WindowResult
    return { record: causeOf(window, this.#from), window, isLate }
  }

  #encode(
    { step, format }: Pick<AtSink, 'step' | 'format'>,
    event: unknown,
    origin: PassingOrigin,
  ): OutgoingRecord {
    const { record, window, isLate, decided, passed } = origin
    const { source, headers } = this.#from.place
    const { topic, partition } = source
    // Spelled out: `{ ...source, offset, sink }` alone takes 1 µs, half as much as all the rest of
    // an output.
    const id =
      window?.isFinal === true
        ? windowId({ topic, partition, sink: step.name, key: window.key, startMs: window.startMs })
        : outputId({ topic, partition, offset: record.offset, sink: step.name })
    const ownKey = window === null ? record.key : Buffer.from(window.key)
    const idHeader = { name: ID_HEADER, value: Buffer.from(id) }
    const own = step.headers === undefined ? [] : sinkHeaders(step.headers, event)
    const names = new Set(own.map(({ name }) => name))
    return {
      key: step.key === null ? ownKey : Buffer.from(eventKey(step.key, event)),
      value: format === null ? encodeOutput(event) : format.encode(event),
      // The input's timestamp, not the event time: a broker rejects, or expires at once, records
      // whose timestamp is far off.
      timestampMs: record.timestampMs,
      headers: [
        idHeader,
        ...headers,
        ...decided,
        ...(isLate ? [LATE_HEADER] : []),
        ...passed.filter(({ name }) => !names.has(name)),
        ...own,
      ],
    }
  }
}

const NONE_CARRIED = new Float64Array(0)

/** No step after a model keeps windows. */
const OF_NO_WINDOWS = {
  keys: [],
  timesMs: new Float64Array(0),
  watermarksMs: new Float64Array(0),
  late: NO_EVENTS,
}

/** @throws TidemarkError `OUTPUT_TOO_LARGE` · `OUTPUT_TIMESTAMP`: its topic would reject it */
function checkTaken(
  records: WrittenRecords,
  index: number,
  { limits, present }: { readonly limits: TopicLimits; readonly present: Present },
): void {
  const topic = records.topic(index)
  const partsBytes = records.partsBytes(index)
  if (isTooLarge(partsBytes, limits)) {
    const what = `an output of ${batchBytes(partsBytes)} bytes; topic "${topic}" takes at most ${limits.maxBytes}`
    throw new TidemarkError('OUTPUT_TOO_LARGE', what)
  }
  const timestampMs = records.timestampMs(index)
  const setting = timestampFault(timestampMs, limits, present)
  if (setting === null) return
  const what = `an output has its record's timestamp, ${timestampMs}, which topic "${topic}" does not accept now (${setting})`
  throw new TidemarkError('OUTPUT_TIMESTAMP', what)
}

/** The record that caused a window's result. */
function causeOf({ cause }: WindowResult, { records, place }: Following): LogRecord {
  if (cause !== null) return records.at(cause)
  const { nextOffset: offset, present } = place
  const timestampMs = present.earliestMs
  return { offset, timestampMs, key: null, value: null, headers: [] }
}

/** A closed window's result is set aside as such; any other fault is that of its record. */
function faultOf(
  { record, window }: Pick<Origin, 'record' | 'window'>,
  step: string,
  error: TidemarkError,
): RecordFault {
  if (window?.isFinal !== true) return { record, window: null, step, error }
  const { offset, timestampMs } = record
  const [key, value] = [Buffer.from(window.key), encodeOutput(window.event)]
  return { record: { offset, timestampMs, key, value, headers: [] }, window, step, error }
}

/** Turns a fault of the engine into the fault of a record or a window. */
export function engineFault({ of, step, error }: EngineFault, from: Following): RecordFault {
  if (typeof of !== 'number') return faultOf({ record: causeOf(of, from), window: of }, step, error)
  return faultOf({ record: from.records.at(of), window: null }, step, error)
}
