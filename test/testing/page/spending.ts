import { defineTopology, minutes, seconds } from 'tidemark'
import { Payment } from '../../../topologies/payment.ts'

export default defineTopology('spending', (t) =>
  t
    .source('payments', {
      schema: Payment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(30), idleAfter: minutes(1) },
      onLate: 'dead-letter',
    })
    .tumbling(minutes(1))
    .aggregate({ amount: (p) => p.amount }, (a) => ({
      payments: a.count(),
      spent: a.sum('amount'),
    }))
    .sink('spending'),
)
