import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  defineTopology,
  minutes,
  onnxModel,
  type Table,
  type Topology,
  type TopologyBuilder,
  topic,
} from 'tidemark'
import { z } from 'zod'

// Payments, and what is known of the merchants that get them: a table in a topic.

const file = new URL('../../fixtures/models/risk.onnx', import.meta.url)

/** Any model with two features. */
export const model = onnxModel({
  name: 'risk',
  version: '1',
  file,
  sha256: createHash('sha256').update(readFileSync(file)).digest('hex'),
  input: 'features',
  features: ['amount', 'risk'],
  outputs: { score: { tensor: 'risk', column: 0 } },
})

/** In the place of the model in a driver: it takes merchants that are not known, too. */
export const models = { risk: () => ({ score: 0 }) }

const Payment = z.object({
  card: z.string(),
  merchant: z.string(),
  amount: z.number(),
  at: z.number(),
})

export const Merchant = z.object({
  id: z.string().optional(),
  risk: z.number(),
  sinceMs: z.number().optional(),
})
type MerchantRow = z.infer<typeof Merchant>
type OnLate = 'dead-letter' | 'score'

/** The output for a payment. */
interface Risk {
  readonly merchant: string
  readonly at: number
  readonly risk: number
}

/** `payments` → the risk that a table says of the merchant, −1 if none → `scores`. */
export function scoredBy<const N extends string = 'scores'>(
  table: (t: TopologyBuilder) => Table<MerchantRow>,
  { name = 'scores' as N, onLate = 'dead-letter' }: { name?: N; onLate?: OnLate } = {},
): Topology<Record<N, Risk>> {
  const topology = defineTopology(name, (t) => {
    const merchants = table(t)
    return (
      t
        .source('payments', {
          schema: Payment,
          key: (p) => p.card,
          eventTimeMs: (p) => p.at,
          watermark: { lag: minutes(10), maxAhead: 'none' },
          onLate,
        })
        .features((f) => {
          const payments = f.events({ amount: (p) => p.amount })
          const merchant = payments.lookup(merchants, (p) => p.merchant)
          return { amount: payments.value('amount'), risk: merchant.value((m) => m.risk) }
        })
        .score(model, { missing: 'nan' })
        .map((s) => ({
          merchant: s.event.merchant,
          at: s.event.at,
          risk: Number.isNaN(s.features.risk) ? -1 : s.features.risk,
        }))
        // The type of a topic that the caller names is only known there.
        .sink(name as 'scores')
    )
  })
  return topology as Topology<unknown> as Topology<Record<N, Risk>>
}

/** The newest row of each merchant; its id is the key of the record. */
const scores = scoredBy((t) => t.table('merchants', { schema: Merchant, from: topic('merchants') }))

const NOON_MS = Date.UTC(2026, 0, 1, 12)

/** So many seconds after noon, ms since the epoch. */
export function at(second: number): number {
  return NOON_MS + second * 1_000
}

/** A payment so many seconds after noon. */
export function paid(merchant: string, second = 0) {
  return { card: 'c-1', merchant, amount: 10, at: at(second) }
}

export default scores
