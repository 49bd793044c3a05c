import { eventKey } from '../codec/identity.ts'
import { encodeOutput } from '../codec/output.ts'
import type { Arrivals, Fault, WindowResult } from '../engine/events.ts'
import type { Present } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { outputId, windowId } from '../kernel/ids.ts'
import type { Header, LogRecord, NewRecord, TopicPartition } from '../records/port.ts'
import type { Scores } from '../scoring/scorer.ts'
import type { ScoreStep, SinkStep, Step } from '../topology/definition.ts'
import { nameOf } from '../topology/schema.ts'
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
  return new Tail(from).followAll(arrivals, [step], (i) => arrivals.events[i])
}

/** Follows scored events through what comes after their model. One on which it fails, or whose score is not finite, is set aside alone. */
export function followScores(
  step: ScoreStep,
  { arrivals, scores, reader }: { arrivals: Arrivals; scores: Scores; reader: ScoreReader },
  from: Following,
): Produced {
  return new Tail(from).followAll(arrivals, step.then, (i) => reader.read(i, arrivals, scores))
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

  /** Follows all that arrived; of each event either all outputs are kept or none. `eventAt` may throw what sets one aside. */
  followAll(arrivals: Arrivals, then: readonly Step[], eventAt: (i: number) => unknown): this {
    for (let i = 0; i < arrivals.indices.length; i++) {
      const origin = originOf(arrivals, i, this.#from)
      const { records, causes } = this.outputs
      const before = records.length
      this.#step = arrivals.step.name
      try {
        this.#follow(then, eventAt(i), origin)
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
          this.outputs.records.push(this.#encode(step, event, origin))
          this.outputs.causes.push(origin.record.offset)
          break
        case 'features':
        case 'score':
        case 'tumbling':
          throw new TidemarkError('INVARIANT', `step "${step.name}" (${step.op}) cannot stand here`)
      }
    }
  }

  #encode(step: SinkStep, event: unknown, { record, window, isLate }: Origin): NewRecord {
    const { source, headers, topicLimits, present } = this.#from.place
    const { topic, partition } = source
    // Written out: `{ ...source, offset, sink }` alone takes 1 µs, half of what all the rest of an output costs.
    const id =
      window?.isFinal === true
        ? windowId({ topic, partition, sink: step.name, key: window.key, startMs: window.startMs })
        : outputId({ topic, partition, offset: record.offset, sink: step.name })
    const ownKey = window === null ? record.key : Buffer.from(window.key)
    const ownHeader = { name: ID_HEADER, value: Buffer.from(id) }
    const output: NewRecord = {
      topic: step.topic,
      partition: null,
      key: step.key === null ? ownKey : Buffer.from(eventKey(step.key, event)),
      value: encodeOutput(event),
      // The input's, not the event time: a broker refuses or at once expires records whose timestamp is far off.
      timestampMs: record.timestampMs,
      headers: isLate ? [ownHeader, ...headers, LATE_HEADER] : [ownHeader, ...headers],
    }
    checkTaken(output, topicLimits(step.topic), present)
    return output
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
