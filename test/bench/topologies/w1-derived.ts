// W1 of which three features are derived: a mean, a sum, a standard deviation.
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
        mean1h: hour.mean('amount'),
        max1h: hour.max('amount'),
        merchants1h: hour.distinct('merchant'),
        count24h: day.count(),
        sum24h: day.sum('amount'),
        variance24h: day.variance('amount'),
      }
    })
    .derive(
      {
        mean5m: ({ sum5m, count5m }) => sum5m / count5m,
        sum1h: ({ mean1h, count1h }) => mean1h * count1h,
        std24h: ({ variance24h }) => Math.sqrt(variance24h),
      },
      { drop: ['mean1h', 'variance24h'] },
    )
    .score(cardGbdt)
    .map((s) => ({
      paymentId: s.event.paymentId,
      cardId: s.event.cardId,
      paidAt: s.event.paidAt,
      probability: s.score.probability,
      model: s.model,
    }))
    .sink('predictions'),
)
