import { defineTopology, seconds } from 'tidemark'
import { cardGbdt, cardGbdt2, cardMlp } from '../card-models.ts'
import { answerOf, cardStream } from '../card-stream.ts'

export default defineTopology('card-variants', (t) =>
  cardStream(t)
    .score({
      variants: [cardGbdt, cardMlp, cardGbdt2],
      // So long that each meets it: the most accurate one is chosen on any machine.
      budget: seconds(30),
      minAccuracy: 0.86,
    })
    .map(answerOf)
    .sink('predictions'),
)
