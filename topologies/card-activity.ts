// Will a card pay again within ten minutes? Scored once for each minute in which it paid, when the
// window of that minute closes.
import { defineTopology, hours, minutes, seconds } from 'tidemark'
import { paysAgain } from './models/pays-again.model.ts'
import { Payment } from './payment.ts'

export default defineTopology('card-activity', (t) =>
  t
    .source('payments', {
      schema: Payment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .tumbling(minutes(1), { grace: seconds(10) })
    .aggregate({ amount: (p) => p.amount, merchant: (p) => p.merchantId }, (a) => ({
      payments: a.count(),
      spent: a.sum('amount'),
      largest: a.max('amount'),
      merchants: a.distinct('merchant'),
    }))
    .features((f) => {
      // An event is now a minute, so a window over them counts minutes. A minute without payments
      // is not an event.
      const active = f.events({
        payments: (m) => m.payments,
        spent: (m) => m.spent,
        merchants: (m) => m.merchants,
      })
      const tenMinutes = active.rolling(minutes(10))
      const hour = active.rolling(hours(1))
      return {
        payments: active.value('payments'),
        spent: active.value('spent'),
        largest: active.value((m) => m.largest ?? Number.NaN),
        merchants: active.value('merchants'),
        secondsSinceActive: hour.secondsSinceLast({ empty: 3_600 }),
        minutesActive10m: tenMinutes.count(),
        payments10m: tenMinutes.sum('payments'),
        minutesActive1h: hour.count(),
        payments1h: hour.sum('payments'),
        spent1h: hour.sum('spent'),
        busiestMinute1h: hour.max('payments'),
      }
    })
    .score(paysAgain)
    // The features are output with the score: the next model is trained on this topic.
    .map((s) => ({
      cardId: s.event.key,
      minuteStart: s.event.windowStartMs,
      probability: s.score.probability,
      model: s.model,
      features: s.features,
    }))
    .sink('card-activity'),
)
