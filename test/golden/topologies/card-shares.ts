import { defineTopology } from 'tidemark'
import { cardGbdt, cardGbdt2, cardMlp } from '../card-models.ts'
import { answerOf, cardStream } from '../card-stream.ts'

export default defineTopology('card-shares', (t) =>
  cardStream(t)
    .score({
      models: { main: cardGbdt, candidate: cardGbdt2, other: cardMlp },
      route: [
        { to: 'other', name: 'abroad', when: (p) => p.country !== 'DE', share: 0.05 },
        { to: 'candidate', name: 'canary', share: 0.1 },
      ],
      otherwise: 'main',
    })
    .map(answerOf)
    .sink('predictions'),
)
