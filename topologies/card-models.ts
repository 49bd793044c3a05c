// Several models in one step: which one scores a payment is said by the first rule that holds.
import { defineTopology, rule, seconds } from 'tidemark'
import { z } from 'zod'
import { cardGbdt } from './models/card-gbdt.model.ts'
import { cardGbdtNext } from './models/card-gbdt-next.model.ts'
import { cardMlp } from './models/card-mlp.model.ts'
import { Payment } from './payment.ts'
import { paymentFeatures } from './payment-features.ts'

const TieredPayment = Payment.extend({ tier: z.enum(['basic', 'premium']).optional() })

/** For payments that their model cannot score. */
const rules = rule({ outputs: ['probability'] }, (f: { amount: number }) => ({
  probability: f.amount > 5_000 ? 0.9 : 0.1,
}))

export default defineTopology('card-models', (t) =>
  t
    .source('payments', {
      schema: TieredPayment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .features(paymentFeatures)
    .score({
      models: { main: cardGbdt, premium: cardMlp, candidate: cardGbdtNext, rules },
      route: [
        { to: 'premium', when: (p) => p.tier === 'premium' },
        { to: 'premium', name: 'big-spender', when: (_, f) => f.sum24h >= 10_000 },
        // A canary: one card in ten. It keeps its model while the share grows.
        { to: 'candidate', name: 'canary', share: 0.1 },
      ],
      otherwise: 'main',
      fallback: 'rules',
    })
    .map((s) => ({
      paymentId: s.event.paymentId,
      cardId: s.event.cardId,
      paidAt: s.event.paidAt,
      probability: s.score.probability,
      model: s.model,
      route: s.route,
    }))
    .sink('predictions'),
)
