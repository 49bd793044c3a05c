import { hours, minutes, seconds, type TopologyBuilder } from 'tidemark'
import { Payment } from '../../topologies/payment.ts'

/** Payments with the features of W1, whose golden answers are known. */
export function cardStream(t: TopologyBuilder) {
  return t
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
        // Out of the models' order.
        std24h: day.std('amount'),
        amount: payments.value('amount'),
        secondsSincePrevious: payments.secondsSinceLastEver({ cap: hours(24), never: 0 }),
        count5m: fiveMinutes.count(),
        sum5m: fiveMinutes.sum('amount'),
        mean5m: fiveMinutes.mean('amount'),
        categories5m: fiveMinutes.distinct('category'),
        count1h: hour.count(),
        sum1h: hour.sum('amount'),
        max1h: hour.max('amount'),
        merchants1h: hour.distinct('merchant'),
        count24h: day.count(),
        sum24h: day.sum('amount'),
      }
    })
}

interface ScoredPayment {
  readonly event: { readonly paymentId: string }
  readonly score: { readonly probability: number }
  readonly model: string
  readonly route: string
}

/** The fields of a payment that the answers have. */
export function answerOf(s: ScoredPayment) {
  return {
    paymentId: s.event.paymentId,
    probability: s.score.probability,
    model: s.model,
    route: s.route,
  }
}
