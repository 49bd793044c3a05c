// Counts the beats of each second, from a source that is silent most of the time: event time must
// advance without records.
import { defineTopology, millis, seconds } from 'tidemark'
import { z } from 'zod'

const Beat = z.object({ of: z.string(), atMs: z.number().int() })

export default defineTopology('beats', (t) =>
  t
    .source('beats', {
      schema: Beat,
      key: (beat) => beat.of,
      eventTimeMs: (beat) => beat.atMs,
      watermark: { lag: millis(200), idleAfter: seconds(1) },
      onLate: 'dead-letter',
    })
    .tumbling(seconds(1))
    .aggregate({}, (a) => ({ beats: a.count() }))
    .sink('beat-counts'),
)
