import { dayOfWeek, defineTopology, hourOfDay, hours, rule } from 'tidemark'
import { cardGbdt, cardMlp, cardMlp12 } from '../card-models.ts'
import { answerOf, cardStream } from '../card-stream.ts'

/** In winter. */
const NEW_YORK = hours(-5)
const rules = rule({ outputs: ['probability'] }, (f: { amount: number }) => ({
  probability: f.amount > 100 ? 0.9 : 0.1,
}))

export default defineTopology('card-routes', (t) =>
  cardStream(t)
    .score({
      models: { small: cardMlp12, main: cardGbdt, premium: cardMlp, rules },
      route: [
        { to: 'premium', when: (p) => p.country === 'CH' && p.category === 'travel' },
        { to: 'premium', name: 'rich', when: (_, f) => f.sum24h >= 5_000 },
        {
          to: 'rules',
          name: 'night',
          when: (_p, _f, atMs) => hourOfDay(atMs, NEW_YORK) < 3,
        },
        {
          to: 'small',
          name: 'thursday',
          when: (p, _, atMs) => dayOfWeek(atMs) === 4 && ['books', 'music'].includes(p.category),
        },
      ],
      otherwise: 'main',
    })
    .map(answerOf)
    .sink('predictions'),
)
