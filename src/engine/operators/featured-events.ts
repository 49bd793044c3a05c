import { called, type Events } from '../../columns/events.ts'
import { ScannedEvents } from '../../columns/scanned-events.ts'
import { knownFeatured } from '../../formats/json/known-values.ts'
import type { ScoredRows } from '../../formats/json/segments.ts'
import type { Memory } from '../../kernel/bytes.ts'
import { type FeatureMatrix, type FlowBatch, foundBy } from '../events.ts'
import type { StepInput } from './rule.ts'

const NO_SCORES = { scores: [], carried: new Float64Array(0) }

/** The input of a map or a sink: behind features, events with these. */
export function inputWithFeatures(input: StepInput): StepInput {
  const { features, shape } = input
  if (features === null) return input
  const { names } = features
  const eventOf = shape && ((decision: number) => knownFeatured(shape.eventOf(decision), names))
  return { reader: called, shape: eventOf && { eventOf, expression: null }, features: null }
}

/** The events as a map or a sink takes them, with their features if they have any. */
export function eventsWithFeatures({ events, features }: FlowBatch): Events {
  return features === null ? events : new FeaturedEvents(events, features)
}

/** Events behind features, by index: `{ event, features, … }`. */
export class FeaturedEvents implements Events {
  readonly #events: Events
  readonly #columns: FeatureMatrix

  constructor(events: Events, columns: FeatureMatrix) {
    this.#events = events
    this.#columns = columns
  }

  at(index: number): unknown {
    const { names, rows, foundRows } = this.#columns
    const base = index * names.length
    const features = Object.fromEntries(names.map((name, f) => [name, rows[base + f] as number]))
    const event = this.#events.at(index)
    return foundRows === null
      ? { event, features }
      : { event, features, ...foundBy(index, foundRows) }
  }

  memoryOf(index: number): Memory | null {
    return this.#events.memoryOf?.(index) ?? null
  }

  /** Columns for encoders; `null`: the events are objects only. */
  columnsOf(indices: readonly number[]): ScoredRows | null {
    const events = this.#events
    if (!(events instanceof ScannedEvents)) return null
    return { events, indices, features: this.#rowsOf(indices), ...NO_SCORES }
  }

  /** The features of some events, row by row. */
  #rowsOf(indices: readonly number[]): Float32Array {
    const { rows, names } = this.#columns
    if (indices.at(-1) === indices.length - 1) return rows
    const copy = new Float32Array(indices.length * names.length)
    for (const [row, index] of indices.entries()) {
      const from = index * names.length
      copy.set(rows.subarray(from, from + names.length), row * names.length)
    }
    return copy
  }
}
