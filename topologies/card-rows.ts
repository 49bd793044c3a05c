// The features of card-fraud without a model: rows to train one on.
import { defineTopology, seconds } from 'tidemark'
import { Payment } from './payment.ts'
import { paymentFeatures } from './payment-features.ts'

export default defineTopology('card-rows', (t) =>
  t
    .source('payments', {
      schema: Payment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .features(paymentFeatures)
    .map(({ event, features }) => ({
      paymentId: event.paymentId,
      cardId: event.cardId,
      paidAt: event.paidAt,
      features,
    }))
    .sink('rows'),
)
