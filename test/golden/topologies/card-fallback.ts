import { defineTopology, rule, seconds } from 'tidemark'
import { cardCents, cardNan } from '../card-models.ts'
import { answerOf, cardStream } from '../card-stream.ts'

// Not finite for the first payment of a card.
const rules = rule(
  { outputs: ['probability'] },
  (f: Record<'amount' | 'secondsSincePrevious', number>) => ({
    probability: f.secondsSincePrevious > 0 ? f.amount / 1_000 : Number.NaN,
  }),
)

export default defineTopology('card-fallback', (t) =>
  cardStream(t)
    .score(
      {
        models: { main: cardCents, odd: cardNan, rules },
        route: [{ to: 'odd', when: (p) => p.country === 'US' }],
        otherwise: 'main',
        fallback: 'rules',
      },
      // So long that the clock decides nothing.
      { latencyBudget: seconds(30) },
    )
    .map(answerOf)
    .sink('predictions'),
)
