import type { Arrivals, Fault, WindowResult } from '../engine/events.ts'
import { eventKey } from '../formats/identity.ts'
import { encodeOutput } from '../formats/json/output.ts'
import type { ScoredRows } from '../formats/json/scored-rows.ts'
import type { Present } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { outputId, windowId } from '../kernel/ids.ts'
import { ScannedEvents } from '../plan/scanned-events.ts'
import type { Header, LogRecord, NewRecord, TopicPartition } from '../records/port.ts'
import type { Scores } from '../scoring/scorer.ts'
import type { ScoreStep, SinkStep, Step } from '../topology/definition.ts'
import { nameOf } from '../topology/schema.ts'
import { type DirectSink, DirectWriter } from './direct-outputs.ts'
import type { RecordFault } from './intake.ts'
import type { Made } from './made.ts'
import { ID_HEADER, LATE_HEADER } from './provenance.ts'
import type { ScoreReader } from './score-reader.ts'
import { batchBytes, isTooLarge, type TopicLimits, timestampFault } from './topic-limits.ts'

// From scores to records: what the author does with a score, then JSON, key and headers.

interface OutputPlace {
  readonly source: TopicPartition
  /** The offset reached: where results of windows stand that no event has closed. */
  readonly nextOffset: number
  readonly present: Present
  /** Shared by all outputs of the chunk. */
  readonly headers: readonly Header[]
  readonly topicLimits: (topic: string) => TopicLimits
}

/** What came of the events that reached a model or a sink. */
export interface Produced {
  readonly outputs: Made
  readonly faults: readonly RecordFault[]
  /** Offsets of the records that were scored, or that reached a sink without a model; those in windows are not among them. */
  readonly reached: readonly number[]
}

/** Follows events that reached a sink without a model. */
export function followEvents(step: SinkStep, arrivals: Arrivals, from: Following): Produced {
  const eventAt = (index: number) => arrivals.events.at(index)
  return new Tail(from).followAll(arrivals, { then: [step], eventAt, direct: null })
}

/** Follows scored events through what comes after their model. One on which it fails, or whose score is not finite, is set aside alone. */
export function followScores(step: ScoreStep, scored: ScoredEvents, from: Following): Produced {
  const { arrivals, scores, reader } = scored
  const direct = directOf(scored, from.place)
  const eventAt = (_: number, i: number) => reader.read(i, arrivals, scores)
  return new Tail(from).followAll(arrivals, { then: step.then, eventAt, direct })
}

interface ScoredEvents {
  readonly arrivals: Arrivals
  readonly scores: Scores
  readonly reader: ScoreReader
  /** `null`: what is behind the model is called with each event. */
  readonly sinks: readonly DirectSink[] | null
}

/** Scored events whose outputs can be written straight from columns. */
class Direct {
  readonly sinks: readonly DirectSink[]
  readonly #rows: ScoredRows
  readonly #scored: ScoredEvents
  readonly #writer: DirectWriter

  constructor(
    scored: ScoredEvents,
    { sinks, events, place }: { sinks: Direct['sinks']; events: ScannedEvents; place: OutputPlace },
  ) {
    const { indices, rows: features } = scored.arrivals
    this.sinks = sinks
    this.#scored = scored
    this.#rows = { events, indices, scores: scored.scores.columns, features }
    this.#writer = new DirectWriter(place.source, place.headers, indices.length)
  }

  /** Is the event in columns? @throws what {@link ScoreReader.read} throws of it */
  takes(i: number): boolean {
    const { events, indices } = this.#rows
    if (events.memoryOf(indices[i] as number) === null) return false
    this.#scored.reader.check(i, this.#scored.scores)
    return true
  }

  output(sink: DirectSink, i: number, origin: Origin): NewRecord {
    return this.#writer.write(sink, origin, { i, rows: this.#rows })
  }
}

function directOf(scored: ScoredEvents, place: OutputPlace): Direct | null {
  const { sinks, arrivals } = scored
  const { events } = arrivals
  if (sinks === null || !(events instanceof ScannedEvents)) return null
  return new Direct(scored, { sinks, events, place })
}

export interface Following {
  /** By the event's index in the chunk. */
  readonly records: readonly LogRecord[]
  readonly place: OutputPlace
}

/** What an output is made of: a record, or a window's result and the record that brought it about. */
interface Origin {
  readonly record: LogRecord
  readonly window: WindowResult | null
  /** Was it behind the watermark? */
  readonly isLate: boolean
}

/** How arrivals go on. */
interface Way {
  readonly then: readonly Step[]
  /** What the steps are given of an event, by its index and by its place among those that arrived. May throw what sets it aside. */
  readonly eventAt: (index: number, i: number) => unknown
  /** `null`: all are followed. */
  readonly direct: Direct | null
}

class Tail implements Produced {
  readonly outputs = { records: [] as NewRecord[], causes: [] as number[] }
  readonly faults: RecordFault[] = []
  readonly reached: number[] = []
  readonly #from: Following
  /** The step at hand: where a fault happened. */
  #step = ''

  constructor(from: Following) {
    this.#from = from
  }

  /** Follows all that arrived; of each event either all outputs are kept or none. */
  followAll(arrivals: Arrivals, { then, eventAt, direct }: Way): this {
    for (let i = 0; i < arrivals.indices.length; i++) {
      const origin = originOf(arrivals, i, this.#from)
      const { records, causes } = this.outputs
      const before = records.length
      this.#step = arrivals.step.name
      try {
        if (direct?.takes(i) === true) this.#write(direct, i, origin)
        else this.#follow(then, eventAt(arrivals.indices[i] as number, i), origin)
        if (origin.window === null) this.reached.push(origin.record.offset)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
        records.length = before
        causes.length = before
        this.faults.push(faultOf(origin, this.#step, error))
      }
    }
    return this
  }

  #follow(then: readonly Step[], event: unknown, origin: Origin): void {
    for (const step of then) {
      this.#step = step.name
      switch (step.op) {
        case 'where':
          if (this.#ask(step.keep, event)) this.#follow(step.then, event, origin)
          break
        case 'map':
          this.#follow(step.then, this.#ask(step.to, event), origin)
          break
        case 'sink':
          this.#add(this.#encode(step, event, origin), origin)
          break
        case 'features':
        case 'score':
        case 'tumbling':
          throw new TidemarkError('INVARIANT', `step "${step.name}" (${step.op}) cannot stand here`)
      }
    }
  }

  #write(direct: Direct, i: number, origin: Origin): void {
    for (const sink of direct.sinks) {
      this.#step = sink.step.name
      this.#add(direct.output(sink, i, origin), origin)
    }
  }

  /** @throws TidemarkError `OUTPUT_TOO_LARGE` · `OUTPUT_TIMESTAMP`: its topic would refuse it */
  #add(output: NewRecord, { record }: Origin): void {
    const { topicLimits, present } = this.#from.place
    checkTaken(output, topicLimits(output.topic), present)
    this.outputs.records.push(output)
    this.outputs.causes.push(record.offset)
  }

  #encode(step: SinkStep, event: unknown, { record, window, isLate }: Origin): NewRecord {
    const { source, headers } = this.#from.place
    const { topic, partition } = source
    // Written out: `{ ...source, offset, sink }` alone takes 1 µs, half of what all the rest of an output costs.
    const id =
      window?.isFinal === true
        ? windowId({ topic, partition, sink: step.name, key: window.key, startMs: window.startMs })
        : outputId({ topic, partition, offset: record.offset, sink: step.name })
    const ownKey = window === null ? record.key : Buffer.from(window.key)
    const ownHeader = { name: ID_HEADER, value: Buffer.from(id) }
    return {
      topic: step.topic,
      partition: null,
      key: step.key === null ? ownKey : Buffer.from(eventKey(step.key, event)),
      value: encodeOutput(event),
      // The input's, not the event time: a broker refuses or at once expires records whose timestamp is far off.
      timestampMs: record.timestampMs,
      headers: isLate ? [ownHeader, ...headers, LATE_HEADER] : [ownHeader, ...headers],
    }
  }

  /** Calls what the author wrote. */
  #ask<R>(of: (event: unknown) => R, event: unknown): R {
    try {
      return of(event)
    } catch (thrown) {
      const what = `step "${this.#step}" threw ${nameOf(thrown)}`
      throw new TidemarkError('FUNCTION_THREW', what, { cause: thrown })
    }
  }
}

/** @throws TidemarkError `OUTPUT_TOO_LARGE` · `OUTPUT_TIMESTAMP`: its topic would refuse it */
function checkTaken(output: NewRecord, limits: TopicLimits, present: Present): void {
  const { topic, timestampMs } = output
  if (isTooLarge(output, limits)) {
    const what = `an output of ${batchBytes(output)} bytes; topic "${topic}" takes ${limits.maxBytes}`
    throw new TidemarkError('OUTPUT_TOO_LARGE', what)
  }
  const setting = timestampFault(timestampMs, limits, present)
  if (setting === null) return
  const what = `an output has its record's timestamp, ${timestampMs}, which topic "${topic}" does not take now (${setting})`
  throw new TidemarkError('OUTPUT_TIMESTAMP', what)
}

function originOf({ indices, windows, late }: Arrivals, i: number, from: Following): Origin {
  const index = indices[i] as number
  const isLate = late.has(index)
  if (windows === null) return { record: from.records[index] as LogRecord, window: null, isLate }
  const window = windows[index] as WindowResult
  return { record: causeOf(window, from), window, isLate }
}

/** The record that brought a window's result about. */
function causeOf({ cause }: WindowResult, { records, place }: Following): LogRecord {
  if (cause !== null) return records[cause] as LogRecord
  const { nextOffset: offset, present } = place
  const timestampMs = present.earliestMs
  return { offset, timestampMs, key: null, value: null, headers: [] }
}

/** A closed window's result is set aside by itself; all else is its record's fault. */
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

/** What the engine could not let go on, as the fault of a record or a window. */
export function engineFault({ of, step, error }: Fault, from: Following): RecordFault {
  if (typeof of !== 'number') return faultOf({ record: causeOf(of, from), window: of }, step, error)
  return faultOf({ record: from.records[of] as LogRecord, window: null }, step, error)
}
