import { COMPRESSIONS } from '../../kernel/kafka.ts'
import type { SinkStep } from '../../topology/definition.ts'
import type { OperatorRule } from './rule.ts'

const NO_ROWS = new Float32Array(0)

/** Writes a topic. Arrivals are encoded where records are made. */
export const sink: OperatorRule<SinkStep> = {
  outcomes: {
    deadLetters: [
      ...(['FUNCTION_THREW', 'KEY_INVALID'] as const),
      ...(['OUTPUT_INVALID', 'OUTPUT_TOO_LARGE', 'OUTPUT_TIMESTAMP'] as const),
    ],
  },

  display: ({ topic }) => ({ shape: 'topic', label: topic, outline: topic }),

  topic: ({ topic }) => topic,

  detail: ({ topic, key, format, headers, compression }, print) => ({
    topic,
    key: key === null ? 'of the source' : print(key),
    ...(format && { format }),
    ...(headers && { headers: print(headers) }),
    ...(compression && { compression }),
  }),

  *functions({ name, key, headers }) {
    yield { where: `${name}.key`, argument: 'event', of: key }
    yield { where: `${name}.headers`, argument: 'event', of: headers }
  },

  check({ name, headers, compression = 'none' }, _, report) {
    if (headers !== undefined && typeof headers !== 'function') {
      report(name, `headers must be a function of the event, got ${typeof headers}`)
    }
    if (!COMPRESSIONS.includes(compression)) {
      report(name, `compression "${compression}" must be one of ${COMPRESSIONS.join(', ')}`)
    }
  },

  open: (step) => ({
    process({ indices, windows, events, late }, run) {
      if (run.mode === 'live') {
        run.arrive({ step, indices, windows, events, late, rows: NO_ROWS })
      }
      return []
    },
  }),
}
