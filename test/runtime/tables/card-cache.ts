import { defineTopology, millis, minutes, redis, seconds } from 'tidemark'
import { z } from 'zod'

const Payment = z.object({ card: z.string(), amount: z.number(), at: z.number() })
const CardFeatures = z.object({ spend30d: z.number(), count7d: z.number() })

/** Computes features of a card that are not in Redis, such as from a database. */
type Compute = (card: string, missing: readonly string[]) => Promise<Record<string, number>>

export const cardRows = (compute: Compute) =>
  defineTopology('card-rows', (t) => {
    const cards = t.store('cards', {
      schema: CardFeatures,
      from: redis({
        fields: ['spend30d', 'count7d'],
        key: (card, name) => `feature:${card}:${name}`,
      }),
      fresh: seconds(5),
      stale: minutes(1),
      deadline: millis(20),
      onMiss: compute,
      writeBack: { ttl: seconds(300) },
      fallback: { spend30d: 0, count7d: 0 },
    })
    return t
      .source('payments', {
        schema: Payment,
        key: (p) => p.card,
        eventTimeMs: (p) => p.at,
        watermark: { lag: minutes(1) },
        onLate: 'dead-letter',
      })
      .features((f) => {
        const payments = f.events({ amount: (p) => p.amount })
        const card = payments.lookup(cards, (p) => p.card)
        return {
          amount: payments.value('amount'),
          spend1h: payments.rolling(minutes(60)).sum('amount'),
          spend30d: card.value((c) => c.spend30d),
          count7d: card.value((c) => c.count7d),
        }
      })
      .sink('rows')
  })
