import type {
  Header,
  LogRecord,
  NewRecord,
  RecordSink,
  TopicPartition,
} from '../../connect/port.ts'
import type { OutgoingHeader, OutgoingRecord } from '../../connect/record-format.ts'
import { sinkVersion, VERSION_HEADER } from '../../connect/system.ts'
import { WrittenRecords } from '../../connect/written-records.ts'
import type {
  EngineFault,
  Passed,
  ReadyBatch,
  SinkBatch,
  WindowResult,
} from '../../engine/events.ts'
import type { OutputFormat } from '../../formats/format.ts'
import { eventKey } from '../../formats/identity.ts'
import { encodeOutput, outputText } from '../../formats/json/output.ts'
import type { Present } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { outputId, windowId } from '../../kernel/ids.ts'
import type { SinkStep } from '../../topology/definition.ts'
import type { RecordFault } from './dead-letter.ts'
import { type DirectOptions, DirectWriter, type OutputOrigin } from './direct-writer.ts'
import { type PassedHeaders, sinkHeaders } from './headers.ts'
import { header, ID_HEADER, markedHeaders } from './provenance.ts'
import { batchBytes, isTooLarge, type TopicLimits, timestampFault } from './topic-limits.ts'

// From scores to records: the author's functions, then value, key and headers.

/** The chunk that outputs come from, and what they share. */
export interface OutputContext extends Pick<DirectOptions, 'records' | 'source' | 'headers'> {
  /** The offset after the chunk: the position of window results that no event has closed. */
  readonly nextOffset: number
  readonly present: Present
  /** Headers that outputs get from their records. */
  readonly passed: PassedHeaders
  readonly topicLimits: (topic: string) => TopicLimits
  /** By the name of sinks outside the log. @default all are in the log */
  readonly sinks?: ReadonlyMap<string, RecordSink> | undefined
  /**
   * Throws the TidemarkError that makes the event of an output a dead letter.
   * @default all that topics take is written
   */
  readonly checkOutput?: ((output: NewRecord) => void) | undefined
  /** By name of the sink; all others write JSON. */
  readonly formats: ReadonlyMap<string, OutputFormat>
}

/** The origin of an output: a record, or a window's result and the record that caused it. */
interface Origin {
  readonly record: LogRecord
  readonly window: WindowResult | null
}

/** The events of a sink that are still to be written, in order. */
interface WaitingSink extends SinkBatch {
  /** `null`: JSON. */
  readonly format: OutputFormat | null
  /** Position in `indices` of the next one to write. */
  next: number
}

interface OutputsOptions {
  readonly passed: Passed
  readonly from: OutputContext
  /** By row, the number of the decision about the event; `null`: 0 for all. */
  readonly decided: Uint8Array | null
  /** Headers that say what was decided, by number of the decision. */
  readonly headers: readonly (readonly Header[])[]
}

/**
 * The results of the events of one batch that reached a model or a sink, in log order. An event on
 * which a step fails, or whose score is not finite, is set aside alone.
 */
export class Produced {
  readonly outputs: { readonly records: WrittenRecords; readonly causes: number[] }
  readonly faults: RecordFault[] = []
  /**
   * Indices of the events that were scored, or that reached a sink without a model; window results
   * are not included.
   */
  readonly reached: number[] = []
  readonly #ready: ReadyBatch
  readonly #o: OutputsOptions
  readonly #sinks: readonly WaitingSink[]
  readonly origin = { index: 0, isLate: false, degraded: null as string | null, decision: 0 }
  readonly #writer: DirectWriter
  /** `null`: none of the records has a header. */
  readonly #passedHeaders: PassedHeaders | null
  /**
   * The topic of the last output, and its limits: most outputs go to the same topic as the one
   * before.
   */
  #topic = ''
  #limits: TopicLimits | null = null

  constructor(ready: ReadyBatch, options: OutputsOptions) {
    const { passed, from, headers: decided } = options
    const { records, source, headers, formats } = from
    const into = new WrittenRecords(ready.indices.length)
    this.outputs = { records: into, causes: [] }
    this.#ready = ready
    this.#o = options
    this.#sinks = passed.sinks.map((batch) => {
      return { ...batch, format: formats.get(batch.sink.step.name) ?? null, next: 0 }
    })
    this.#passedHeaders = records.hasHeaders ? from.passed : null
    const direct = { source, headers, decided, passed: this.#passedHeaders }
    this.#writer = new DirectWriter({ ...direct, records, into }, passed.columns)
  }

  /** For each event, either all outputs are kept or none. */
  write(): this {
    const { indices, windows } = this.#ready
    for (let row = 0; row < indices.length; row++) {
      const index = indices[row] as number
      const fault = this.#o.passed.faultOf(index) ?? this.#writeOne(row)
      if (fault !== null) this.faults.push(faultOf(this.#originOf(row), fault.step, fault.error))
      else if (windows === null) this.reached.push(index)
    }
    return this
  }

  /** The same object each time: it is read before the next one is written. */
  #outputOf(row: number): OutputOrigin {
    const { indices, late, degraded } = this.#ready
    const { decided } = this.#o
    const origin = this.origin
    origin.index = indices[row] as number
    origin.isLate = late.size > 0 && late.has(origin.index)
    origin.degraded = degraded.size > 0 ? (degraded.get(origin.index) ?? null) : null
    origin.decision = decided === null ? 0 : (decided[row] as number)
    return origin
  }

  /**
   * Writes all outputs of an event. Returns what is wrong with one of them; `null`: nothing is, and
   * all were written.
   */
  #writeOne(row: number): Pick<EngineFault, 'step' | 'error'> | null {
    const { records, causes } = this.outputs
    const index = this.#ready.indices[row] as number
    const before = records.length
    let step = ''
    try {
      for (const sink of this.#sinks) {
        if (sink.indices[sink.next] !== index) continue
        sink.next++
        step = sink.sink.step.name
        this.#check(this.#writeAt(sink, row))
      }
      return null
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
      records.cut(before)
      causes.length = before
      // Skip its other outputs, so that they are not taken for those of another event.
      for (const sink of this.#sinks) if (sink.indices[sink.next] === index) sink.next++
      return { step, error }
    }
  }

  /** Adds an event's output at a sink. Returns the offset of the record that it came from. */
  #writeAt(waiting: WaitingSink, row: number): number {
    const { sink, format, events } = waiting
    const { step, encoderOf } = sink
    const { windows } = this.#ready
    const { records } = this.#o.from
    const origin = this.#outputOf(row)
    const { columns } = this.#o.passed
    if (encoderOf !== null && columns !== null && columns.events.memoryOf(origin.index) !== null) {
      this.#writer.write({ step, encoder: encoderOf(origin.decision) }, row, origin)
      return records.offsetAt(origin.index)
    }
    const event = events.at(origin.index)
    if (windows === null && step.key === null && step.headers === undefined) {
      const value = format === null ? outputText(event) : format.encode(event)
      this.#writer.writeValue(step, value, origin)
      return records.offsetAt(origin.index)
    }
    const cause = this.#originOf(row)
    this.outputs.records.write(this.#encode(waiting, event, cause), step.topic)
    return cause.record.offset
  }

  /** The headers that the outputs of an event get from its record. */
  #passedBy(index: number): readonly OutgoingHeader[] {
    const passed = this.#passedHeaders
    return passed === null || passed.find(this.#o.from.records, index) === 0 ? [] : passed.list()
  }

  /**
   * Checks the output that was added last.
   * @throws TidemarkError `OUTPUT_TOO_LARGE` · `OUTPUT_TIMESTAMP`: its topic would reject it
   */
  #check(offset: number): void {
    const { records, causes } = this.outputs
    const { topicLimits, checkOutput, present } = this.#o.from
    const last = records.length - 1
    const topic = records.topic(last)
    if (this.#limits === null || topic !== this.#topic) {
      this.#topic = topic
      this.#limits = topicLimits(topic)
    }
    causes.push(offset)
    checkOutput?.(records.at(last))
    const partsBytes = records.partsBytes(last)
    if (isTooLarge(partsBytes, this.#limits)) {
      const message = `an output of ${batchBytes(partsBytes)} bytes; topic "${topic}" takes at most ${this.#limits.maxBytes}`
      throw new TidemarkError('OUTPUT_TOO_LARGE', message)
    }
    const timestampMs = records.timestampMs(last)
    const setting = timestampFault(timestampMs, this.#limits, present)
    if (setting === null) return
    const message = `an output has its record's timestamp, ${timestampMs}, which topic "${topic}" does not accept now (${setting})`
    throw new TidemarkError('OUTPUT_TIMESTAMP', message)
  }

  #originOf(row: number): Origin {
    const { indices, windows } = this.#ready
    const index = indices[row] as number
    if (windows === null) return { record: this.#o.from.records.at(index), window: null }
    const window = windows[index] as WindowResult
    return { record: causingRecord(window, this.#o.from), window }
  }

  #encode(
    { sink: { step }, format }: WaitingSink,
    event: unknown,
    { record, window }: Origin,
  ): OutgoingRecord {
    const { source, headers } = this.#o.from
    const marks = this.origin
    const id = idAt(step.name, { source, offset: record.offset }, window)
    const ownKey = window === null ? record.key : Buffer.from(window.key)
    const key = step.key === null ? ownKey : Buffer.from(eventKey(step.key, event))
    if (step.system !== undefined) return this.#outside(step, { key, event, record })
    const passed = window === null ? this.#passedBy(marks.index) : []
    const sinkOwn = step.headers === undefined ? [] : sinkHeaders(step.headers, event)
    const names = new Set(sinkOwn.map(({ name }) => name))
    return {
      key,
      value: format === null ? encodeOutput(event) : format.encode(event),
      // The input's timestamp, not the event time: a broker rejects, or expires at once, records
      // whose timestamp is far off.
      timestampMs: record.timestampMs,
      headers: [
        header(ID_HEADER, id),
        ...headers,
        ...markedHeaders(this.#o.headers[marks.decision] ?? [], marks),
        ...passed.filter(({ name }) => !names.has(name)),
        ...sinkOwn,
      ],
    }
  }

  /** An output of a sink outside the log, with its version. @throws TidemarkError `KEY_INVALID` */
  #outside(
    { topic }: SinkStep,
    { key, event, record }: Pick<OutgoingRecord, 'key'> & { event: unknown; record: LogRecord },
  ): OutgoingRecord {
    const fault = this.#o.from.sinks?.get(topic)?.keyFault?.(key) ?? null
    if (fault !== null) throw new TidemarkError('KEY_INVALID', fault)
    const timeMs = this.#ready.timesMs[this.origin.index] as number
    const version = sinkVersion(timeMs, { ...this.#o.from.source, offset: record.offset })
    return {
      key,
      value: encodeOutput(event),
      timestampMs: record.timestampMs,
      headers: [header(VERSION_HEADER, version)],
    }
  }
}

/** The id of an output at a sink, of a record or of a window's result that it has caused. */
export function idAt(
  sink: string,
  { source, offset }: { readonly source: TopicPartition; readonly offset: number },
  window: WindowResult | null,
): string {
  // Spelled out: `{ ...source, offset, sink }` alone takes 1 µs, half as much as all the rest of an
  // output.
  const { topic, partition } = source
  return window?.isFinal === true
    ? windowId({ topic, partition, sink, key: window.key, startMs: window.startMs })
    : outputId({ topic, partition, offset, sink })
}

/** The record that caused a window's result. */
export function causingRecord(
  { cause }: WindowResult,
  { records, nextOffset: offset, present }: OutputContext,
): LogRecord {
  if (cause !== null) return records.at(cause)
  const timestampMs = present.earliestMs
  return { offset, timestampMs, key: null, value: null, headers: [] }
}

/** A closed window's result is set aside as such; any other fault is that of its record. */
function faultOf({ record, window }: Origin, step: string, error: TidemarkError): RecordFault {
  if (window?.isFinal !== true) return { record, window: null, step, error }
  const { offset, timestampMs } = record
  const [key, value] = [Buffer.from(window.key), encodeOutput(window.event)]
  return { record: { offset, timestampMs, key, value, headers: [] }, window, step, error }
}

/** Turns a fault of the engine into the fault of a record or a window. */
export function engineFault({ of: cause, step, error }: EngineFault, from: OutputContext) {
  if (typeof cause !== 'number')
    return faultOf({ record: causingRecord(cause, from), window: cause }, step, error)
  return faultOf({ record: from.records.at(cause), window: null }, step, error)
}
