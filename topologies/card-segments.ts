// Models by tier, device and business hours: a condition may read the event, its features and its
// event time.
import { dayOfWeek, defineTopology, hourOfDay, hours, rule, seconds } from 'tidemark'
import { z } from 'zod'
import { cardGbdt } from './models/card-gbdt.model.ts'
import { cardGbdtNext } from './models/card-gbdt-next.model.ts'
import { cardMlp } from './models/card-mlp.model.ts'
import { Payment } from './payment.ts'
import { paymentFeatures } from './payment-features.ts'

const Checkout = Payment.extend({
  tier: z.enum(['basic', 'premium']),
  device: z.enum(['phone', 'desktop', 'terminal']),
})

/** Where the people are, from UTC. */
const OFFICE = hours(1)

/** Do people at the office look at what is suspicious? */
function isOfficeTime(eventTimeMs: number): boolean {
  const hour = hourOfDay(eventTimeMs, OFFICE)
  return dayOfWeek(eventTimeMs, OFFICE) <= 5 && hour >= 9 && hour < 17
}

/** With nobody to look, only what is very large is suspicious. */
const unattended = rule({ outputs: ['probability'] }, (f: { amount: number }) => ({
  probability: f.amount > 2_000 ? 0.9 : 0.01,
}))

export default defineTopology('card-segments', (t) =>
  t
    .source('checkouts', {
      schema: Checkout,
      key: (c) => c.cardId,
      eventTimeMs: (c) => c.paidAt,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .features(paymentFeatures)
    .score({
      models: { standard: cardGbdt, accurate: cardMlp, light: cardGbdtNext, unattended },
      route: [
        { to: 'accurate', name: 'premium', when: (c) => c.tier === 'premium' },
        { to: 'light', name: 'phone', when: (c) => c.device === 'phone' },
        {
          to: 'standard',
          name: 'office',
          when: (_c, _f, eventTimeMs) => isOfficeTime(eventTimeMs),
        },
      ],
      otherwise: 'unattended',
    })
    .map((s) => ({
      paymentId: s.event.paymentId,
      probability: s.score.probability,
      model: s.model,
      route: s.route,
    }))
    .sink('checkout-predictions'),
)
