import { defineTopology, minutes, onnxModel, seconds } from 'tidemark'
import { expect, vi } from 'vitest'
import { z } from 'zod'
import type { ColumnForm } from '../../../src/columns/columns.ts'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { Header, LogRecord } from '../../../src/connect/port.ts'
import { Dictionary } from '../../../src/engine/store/dictionary.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { atOnce, Slices } from '../../../src/kernel/slices.ts'
import { PassedHeaders } from '../../../src/runtime/output/headers.ts'
import { Produced } from '../../../src/runtime/output/outputs.ts'
import { limitsOf, type TopicLimits } from '../../../src/runtime/output/topic-limits.ts'
import { RecordDecoder } from '../../../src/runtime/partition/record-decoder.ts'
import type { Definition, ScoreStep } from '../../../src/topology/definition.ts'
import { stepsOf } from '../../../src/topology/graph.ts'
import type { Scored, SinkOrSinks, Stream } from '../../../src/topology/stream.ts'
import { atModel } from '../../engine/at-model.ts'
import { jsonFormatOf } from '../../support/format.ts'
import { HASH } from '../../support/hash.ts'
import { plainRecords } from '../../support/plain-records.ts'
import { stepAnswer } from '../../support/score-steps.ts'
import { START_MS } from '../support.ts'

// Scored chunks whose outputs are made both ways: written straight from columns, and by calling
// what is behind the model.

const BY = { label: 'card@1', route: 'card' }
export const FEATURES = ['amount', 'count'] as const
const UNCUT = new Slices(() => 0)
const FAILS = new TidemarkError('SCORE_FAILED', 'model card@1 fails on its features')

const model = onnxModel({
  name: 'card',
  version: '1',
  file: new URL('file:///card.onnx'),
  sha256: '00',
  input: 'x',
  features: FEATURES,
  outputs: { p: { tensor: 'p', column: 0 }, risk: { tensor: 'r', columns: ['low', 'high'] } },
})
/** Numbers that come out of it. */
export const SCORES = 3

export const Base = z.object({ id: z.string(), at: z.number(), amount: z.number() })
export const Event = Base.extend({
  note: z.string().optional(),
  shop: z.string().nullable(),
  isPaid: z.boolean().optional(),
  card: z.object({ country: z.string(), tier: z.literal([1, 2]).optional() }),
  bank: z.object({ name: z.string() }).optional(),
})
export type Event = z.infer<typeof Event>
export type Scores = Stream<Scored<Event, (typeof FEATURES)[number], typeof model.outputs>>

/** A topology whose model is followed by `then`. */
export function scoring(
  schema: z.ZodType<Event>,
  then: (scores: Scores) => SinkOrSinks,
): Definition {
  return defineTopology('t', (t) =>
    then(
      t
        .source('events', {
          schema,
          key: (e) => e.id,
          eventTimeMs: (e) => e.at,
          watermark: { lag: seconds(1) },
          onLate: 'score',
          passHeaders: ['tenant'],
        })
        .features((f) => {
          const all = f.events({ amount: (e) => e.amount })
          return { amount: all.value('amount'), count: all.rolling(minutes(1)).count() }
        })
        .score(model),
    ),
  )
}

function stepOf({ then }: Definition): ScoreStep {
  return [...stepsOf(then)].find((step) => step.op === 'score') as ScoreStep
}

/** The topics of the sinks that are written straight from columns. */
export function directTopics(definition: Definition): string[] {
  const { forms } = jsonFormatOf(definition)
  const none = { indices: [], events: [], rows: new Float32Array(0) }
  const { sinks } = atModel(stepOf(definition), { ...none, forms, by: [BY] }).pass(stepAnswer([]))
  return sinks.flatMap(({ sink }) => (sink.encoderOf === null ? [] : [sink.step.topic]))
}

/** A chunk that has been scored. */
export interface Chunk {
  readonly records: readonly LogRecord[]
  /** The events that have reached the model, in order. @default all */
  readonly indices?: readonly number[]
  /** The scores of these events, by column and then by row. */
  readonly scores: readonly Float64Array[]
  readonly rows: Float32Array
  /** Rows without a score. */
  readonly failed?: ReadonlySet<number>
  readonly late?: ReadonlySet<number>
  readonly degraded?: ReadonlyMap<number, string>
  readonly headers?: readonly Header[]
  readonly topic?: string
  readonly limits?: TopicLimits
}

/**
 * The outputs of a chunk, made directly where that can be, and by calling what is behind the model
 * with objects.
 */
interface BothWays {
  readonly direct: Produced
  readonly followed: Produced
  /** Events that were asked for as objects to make what is direct. */
  readonly asked: number
}

export function bothWays(definition: Definition, chunk: Chunk): BothWays {
  const { records, scores, rows, failed = new Set() } = chunk
  const { late = new Set(), degraded = new Map() } = chunk
  const step = stepOf(definition)
  const format = jsonFormatOf(definition)
  const keyed = records.map((record) => withKey(record, Buffer.from('k')))
  const decoder = new RecordDecoder(definition.source, format, {
    from: { topic: 'events', partition: 0 },
    partitions: null,
    keyNumbers: new Dictionary(HASH),
  })
  const { batch } = atOnce(decoder.decode(new ListedRecords(keyed), UNCUT))
  expect(batch.count).toBe(records.length)
  const indices = chunk.indices ?? records.map((_, i) => i)
  const faults = new Map([...failed].map((row) => [row, FAILS]))
  const from = {
    records: new ListedRecords(records),
    source: { topic: chunk.topic ?? 'events', partition: 3 },
    nextOffset: 0,
    present: { earliestMs: START_MS, latestMs: START_MS },
    headers: chunk.headers ?? [],
    passed: new PassedHeaders(definition.source.passHeaders),
    topicLimits: () => chunk.limits ?? limitsOf(undefined),
    formats: new Map(),
  }
  const by = (forms: readonly ColumnForm[] | null) => {
    const marks = { late, degraded }
    const ready = atModel(step, { indices, events: batch.events, rows, forms, by: [BY], ...marks })
    const passed = ready.pass(stepAnswer(scores, faults))
    return new Produced(ready, { passed, from, decided: null, headers: [[]] }).write()
  }
  expect(directTopics(definition)).not.toEqual([])
  const at = vi.spyOn(batch.events, 'at')
  const direct = by(format.forms)
  const asked = at.mock.calls.length
  return { direct, followed: by(null), asked }
}

function withKey({ offset, timestampMs, value, headers }: LogRecord, key: Buffer | null) {
  return { offset, timestampMs, key, value, headers }
}

/** All that is told of what came of a chunk. */
export function told({ outputs, faults, reached }: Produced): unknown {
  return {
    records: plainRecords(outputs.records),
    causes: outputs.causes,
    faults: faults.map(({ record, step, error }) => [
      ...[record.offset, step, error.code, error.message],
    ]),
    reached,
  }
}

export function recordOf(event: object, offset: number, more: Partial<LogRecord> = {}): LogRecord {
  const [key, value] = [Buffer.from('k'), Buffer.from(JSON.stringify(event))]
  return { offset, timestampMs: START_MS, key, value, headers: [], ...more }
}

export function eventOf(more: Partial<Event> = {}): Event {
  return { id: 'e-1', at: START_MS, amount: 1.5, shop: null, card: { country: 'CH' }, ...more }
}

/** Each row's scores are these. */
export function scored(records: readonly LogRecord[], scores = [0.25, 0.5, 0.75]): Chunk {
  const columns = scores.map((score) => new Float64Array(records.length).fill(score))
  return { records, scores: columns, rows: new Float32Array(records.length * FEATURES.length) }
}
