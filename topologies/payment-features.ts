import { type FeatureKit, hours, minutes } from 'tidemark'
import type { z } from 'zod'
import type { Payment } from './payment.ts'

/** The features of `card-fraud`, for topologies with other models of the same payments. */
export function paymentFeatures<P extends z.infer<typeof Payment>>(f: FeatureKit<P>) {
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
    secondsSincePrevious: day.secondsSinceLast({ empty: 86_400 }),
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
    std24h: day.std('amount'),
  }
}
