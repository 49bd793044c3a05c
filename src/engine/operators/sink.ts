import type { Events } from '../../columns/events.ts'
import { ScannedEvents } from '../../columns/scanned-events.ts'
import { compileEncoder, type OutputEncoder } from '../../formats/json/output-encoder.ts'
import type { ScoredRows } from '../../formats/json/segments.ts'
import { COMPRESSIONS } from '../../kernel/kafka.ts'
import type { SinkStep } from '../../topology/definition.ts'
import type { OpenSink } from '../events.ts'
import { eventsWithFeatures, FeaturedEvents, inputWithFeatures } from './featured-events.ts'
import { checkFunction, type EventShape, type OperatorRule } from './rule.ts'

const NO_FEATURES = { scores: [], features: new Float32Array(0), carried: new Float64Array(0) }

/** Writes a topic: straight from columns, where an encoder of its values can be compiled. */
export const sink: OperatorRule<SinkStep> = {
  outcomes: {
    deadLetters: [
      ...(['FUNCTION_THREW', 'TIME_INVALID', 'KEY_INVALID'] as const),
      ...(['OUTPUT_INVALID', 'OUTPUT_TOO_LARGE', 'OUTPUT_TIMESTAMP'] as const),
    ],
  },

  display: ({ topic }) => ({ shape: 'topic', label: topic, outline: topic }),

  topic: ({ topic }) => topic,

  detail: ({ topic, system, key, format, headers, compression }, print) => ({
    topic,
    ...(system && { [system.connector]: system.options }),
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
    if (headers !== undefined) {
      checkFunction('headers', headers, 'of the event', (message) => report(name, message))
    }
    if (!COMPRESSIONS.includes(compression)) {
      report(name, `compression "${compression}" must be one of ${COMPRESSIONS.join(', ')}`)
    }
  },

  takesFeatures: true,

  open(step, _, { input }) {
    const { shape } = inputWithFeatures(input)
    const opened: OpenSink = { step, encoderOf: encodersOf(step, shape) }
    return {
      isDirect: opened.encoderOf !== null,
      process(batch, run) {
        if (run.mode === 'replay') return []
        const { indices, windows, source, late, degraded, timesMs } = batch
        const events = eventsWithFeatures(batch)
        const sinks = [{ sink: opened, indices, events }]
        const pass = () => ({ sinks, columns: columnsOf(source, indices), faultOf: () => null })
        run.ready({ step, indices, windows, events, late, degraded, timesMs, pass })
        return []
      },
    }
  },
}

function columnsOf(source: Events, indices: readonly number[]): ScoredRows | null {
  if (source instanceof FeaturedEvents) return source.columnsOf(indices)
  return source instanceof ScannedEvents ? { events: source, indices, ...NO_FEATURES } : null
}

/** Each is compiled when it is first needed. `null`: values are written from objects. */
function encodersOf(step: SinkStep, shape: EventShape | null): OpenSink['encoderOf'] {
  if (step.key !== null || step.headers !== undefined || step.format !== undefined) return null
  if (shape === null || shape.expression === null) return null
  const { eventOf, expression } = shape
  const compiled = (decision: number) => compileEncoder(expression, eventOf(decision))
  // The name of a decision makes no difference to whether a value can be written.
  const first = compiled(0)
  if (first === null) return null
  const encoders: (OutputEncoder | undefined)[] = [first]
  return (decision) => (encoders[decision] ??= compiled(decision) as OutputEncoder)
}
