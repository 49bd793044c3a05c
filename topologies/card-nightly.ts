// What `tidemark batch` scores every night: the rows that card-hybrid reuses on the next day.
import { defineTopology, seconds } from 'tidemark'
import { cardMlp } from './models/card-mlp.model.ts'
import { Payment } from './payment.ts'
import { paymentFeatures } from './payment-features.ts'

export default defineTopology('card-nightly', (t) =>
  t
    .source('payments', {
      schema: Payment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .features(paymentFeatures)
    .score(cardMlp)
    .map((s) => ({
      cardId: s.event.cardId,
      score: s.score.probability,
      scoredAtMs: s.event.paidAt,
      features: s.features,
    }))
    .sink('nightly'),
)
