import { COMPRESSIONS } from '../../kernel/compression.ts'
import type { SinkStep } from '../../topology/definition.ts'
import type { OperatorRule } from './rule.ts'

const NO_ROWS = new Float32Array(0)

/** Writes a topic. Arrivals are encoded where records are made. */
export const sink: OperatorRule<SinkStep> = {
  detail: ({ topic, key, compression }, print) => ({
    topic,
    key: key === null ? 'of the source' : print(key),
    ...(compression && { compression }),
  }),

  *functions({ name, key }) {
    yield { where: `${name}.key`, argument: 'event', of: key }
  },

  check({ name, compression = 'none' }, _, report) {
    if (COMPRESSIONS.includes(compression)) return
    report(name, `compression "${compression}" must be one of ${COMPRESSIONS.join(', ')}`)
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
