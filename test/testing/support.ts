import { defineTopology, minutes, seconds } from 'tidemark'
import { z } from 'zod'

// Small topologies without a model.

export const NOON_MS = Date.UTC(2026, 0, 1, 12)

const Reading = z.object({
  sensor: z.string(),
  /** Text becomes ms since the epoch. */
  at: z.iso.datetime().transform((text) => Date.parse(text)),
  celsius: z.number(),
})

/** A reading of a sensor so many seconds after noon, as upstream writes it. */
export function reading(second: number, fields: { sensor?: string; celsius?: number } = {}) {
  const at = new Date(NOON_MS + second * 1_000).toISOString()
  return { sensor: 's-1', at, celsius: 20, ...fields }
}

const source = {
  schema: Reading,
  key: (r: z.infer<typeof Reading>) => r.sensor,
  eventTimeMs: (r: z.infer<typeof Reading>) => r.at,
  watermark: { lag: seconds(0), idleAfter: seconds(10) },
  onLate: 'dead-letter',
} as const

/** `readings` → `copies`, the frozen ones left out. */
export const copies = defineTopology('copies', (t) =>
  t
    .source('readings', source)
    .where((r) => r.celsius >= 0)
    .sink('copies'),
)

/** `readings` → minutes of each sensor → `minutes`. */
export const perMinute = defineTopology('per-minute', (t) =>
  t
    .source('readings', source)
    .tumbling(minutes(1))
    .aggregate({ celsius: (r) => r.celsius }, (a) => ({
      readings: a.count(),
      hottest: a.max('celsius'),
    }))
    .sink('minutes'),
)
