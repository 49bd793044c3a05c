import { defineTopology } from 'tidemark'
import { cardGbdt, cardGbdt2 } from '../card-models.ts'
import { answerOf, cardStream } from '../card-stream.ts'

export default defineTopology('card-shadow', (t) =>
  cardStream(t)
    .score({
      models: { main: cardGbdt, candidate: cardGbdt2 },
      otherwise: 'main',
      shadow: { candidate: { sink: 'card-shadow' } },
    })
    .map(answerOf)
    .sink('predictions'),
)
