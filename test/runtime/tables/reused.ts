import {
  defineTopology,
  hours,
  minutes,
  onnxModel,
  type Table,
  type TopologyBuilder,
  topic,
} from 'tidemark'
import { z } from 'zod'
import { modelDefinition } from '../../../src/topology/models.ts'
import { model as risk } from './merchants.ts'

// Events that get the score of a row of last night, or are scored live.

/** Any model with two features. */
const model = modelDefinition(risk)
const deep = onnxModel({
  name: 'deep',
  version: '3',
  file: model.file,
  sha256: model.sha256,
  input: model.input,
  features: ['a', 'b'],
  outputs: { probability: { tensor: 'risk', column: 0 } },
})

const Event = z.object({
  id: z.string(),
  at: z.number(),
  a: z.number(),
  b: z.number(),
  priority: z.enum(['high', 'low']),
})
type Event = z.infer<typeof Event>

export const Row = z.object({
  score: z.number().nullable(),
  scoredAtMs: z.number(),
  features: z.object({ a: z.number().nullish(), b: z.number().nullish() }),
  'tidemark-model': z.string().optional(),
})
export type Row = z.infer<typeof Row>

export const THRESHOLD = 0.5
export const MAX_AGE_MS: number = hours(24)

/** The newest row of each key. */
export const inTopic = (t: TopologyBuilder): Table<Row> =>
  t.table('nightly', { schema: Row, from: topic('nightly') })

interface Compared {
  /** @default true */
  readonly adjusts?: boolean
}

/** `events` → the score of a row or of `deep` → `scores`. */
export function reusing(table: (t: TopologyBuilder) => Table<Row>, compared: Compared | null = {}) {
  return defineTopology('reusing', (t) => {
    const nightly = table(t)
    const adjust = (score: { probability: number }, drift: number) => {
      return { probability: score.probability + 0.1 * drift }
    }
    return t
      .source('events', {
        schema: Event,
        key: (e) => e.id,
        eventTimeMs: (e) => e.at,
        watermark: { lag: minutes(10), maxAhead: 'none' },
        onLate: 'score',
      })
      .features((f) => {
        const all = f.events({})
        return { b: all.value((e) => e.b), a: all.value((e) => e.a) }
      })
      .score({
        models: { live: deep },
        otherwise: 'live',
        reuse: {
          table: nightly,
          score: (r) => ({ probability: r.score ?? Number.NaN }),
          at: (r) => r.scoredAtMs,
          maxAge: hours(24),
          unless: (e) => e.priority === 'high',
          ...(compared && {
            drift: {
              features: (r: Row) => r.features,
              threshold: THRESHOLD,
              ...(compared.adjusts !== false && { adjust }),
            },
          }),
        },
      })
      .map((s) => ({
        a: s.features.a,
        probability: s.score.probability,
        model: s.model,
        route: s.route,
        reuse: s.reuse,
      }))
      .sink('scores')
  })
}

/** In the place of the model in a driver: it keeps what it has run on. */
export function countedModel() {
  const ran: number[] = []
  const models = {
    deep: ({ a, b }: Readonly<Record<string, number>>) => {
      ran.push(a as number)
      return { probability: live(a as number, b as number) }
    },
  }
  return { ran, models }
}

export function live(a: number, b: number): number {
  return Math.fround(1 / (3 + Math.abs(Math.fround(a)) + Math.abs(Math.fround(b))))
}

const NOON_MS = Date.UTC(2026, 0, 1, 12)

/** So many ms after noon, ms since the epoch. */
export function at(afterMs: number): number {
  return NOON_MS + afterMs
}

export function event(afterMs: number, fields: Partial<Event> = {}): Event {
  return { id: 'k', at: at(afterMs), a: 1, b: 1, priority: 'low', ...fields }
}

/** A row of noon. */
export function row(fields: Partial<Row> = {}): Row {
  const features = { a: 1, b: 1 }
  return {
    score: 0.25,
    scoredAtMs: at(0),
    features,
    'tidemark-model': 'deep@2+0a1b2c3d',
    ...fields,
  }
}
