// The score of last night where it still holds, and a model for all other payments.
import { defineTopology, hours, seconds, topic } from 'tidemark'
import { z } from 'zod'
import { cardMlp } from './models/card-mlp.model.ts'
import { Payment } from './payment.ts'
import { paymentFeatures } from './payment-features.ts'

/** A line of `tidemark batch topologies/card-nightly.ts`. */
const Scored = z.object({
  cardId: z.string(),
  score: z.number(),
  scoredAtMs: z.int(),
  features: z.record(z.string(), z.number()),
  'tidemark-model': z.string(),
})

export default defineTopology('card-hybrid', (t) => {
  const nightly = t.table('nightly', {
    schema: Scored,
    key: (r) => r.cardId,
    from: topic('nightly'),
  })
  return t
    .source('payments', {
      schema: Payment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .features(paymentFeatures)
    .score({
      models: { live: cardMlp },
      otherwise: 'live',
      reuse: {
        table: nightly,
        score: (r) => ({ probability: r.score }),
        at: (r) => r.scoredAtMs,
        maxAge: hours(24),
        unless: (p) => p.amount > 500,
        drift: { features: (r) => r.features, threshold: 0.75 },
      },
    })
    .map((s) => ({
      paymentId: s.event.paymentId,
      probability: s.score.probability,
      model: s.model,
      route: s.route,
      reuse: s.reuse,
    }))
    .sink('predictions')
})
