// W1 with three derived features: the model takes one, two are carried.
import { defineTopology, hours, minutes, seconds } from 'tidemark'
import { Payment } from '../../../topologies/payment.ts'
import { cardGbdt } from '../../fixtures/models/card-gbdt.model.ts'

export default defineTopology('card-fraud', (t) =>
  t
    .source('payments', {
      schema: Payment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .features((f) => {
      const payments = f.events({
        amount: (p) => p.amount,
        category: (p) => p.category,
        merchant: (p) => p.merchantId,
      })
      const fiveMinutes = payments.rolling(minutes(5))
      const hour = payments.rolling(hours(1))
      const day = payments.rolling(hours(24))
      return {
        amount: payments.value('amount'),
        secondsSincePrevious: payments.secondsSinceLastEver({ cap: hours(24), never: 0 }),
        count5m: fiveMinutes.count(),
        sum5m: fiveMinutes.sum('amount'),
        categories5m: fiveMinutes.distinct('category'),
        count1h: hour.count(),
        sum1h: hour.sum('amount'),
        max1h: hour.max('amount'),
        merchants1h: hour.distinct('merchant'),
        count24h: day.count(),
        sum24h: day.sum('amount'),
        std24h: day.std('amount'),
      }
    })
    .derive({
      mean5m: ({ sum5m, count5m }) => sum5m / count5m,
      perMerchant: ({ sum1h, merchants1h }) => sum1h / merchants1h,
      z: ({ amount, sum24h, count24h, std24h }) =>
        (amount - sum24h / count24h) / Math.max(std24h, 1),
    })
    .score(cardGbdt, { carry: ['perMerchant', 'z'] })
    .map((s) => ({
      paymentId: s.event.paymentId,
      cardId: s.event.cardId,
      paidAt: s.event.paidAt,
      probability: s.score.probability,
      model: s.model,
    }))
    .sink('predictions'),
)
