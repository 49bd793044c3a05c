import { called } from '../../../columns/events.ts'
import { formatDuration } from '../../../kernel/time.ts'
import { aggregateText, type ColumnUses, checkAggregate } from '../../../topology/aggregates.ts'
import type { TumblingStep } from '../../../topology/definition.ts'
import { stepsOfKind } from '../../../topology/graph.ts'
import {
  checkLength,
  checkPlace,
  functionsOf,
  notSupported,
  type OperatorRule,
  type ReportFieldFault,
  textsOf,
} from '../rule.ts'
import { TumblingWindows } from './tumbling-windows.ts'

const EMITS: readonly TumblingStep['emit'][] = ['final', 'early']
const OF_EVERY_WINDOW = ['key', 'windowStartMs', 'windowEndMs', 'isFinal']

/** Emits the results of adjacent windows of one length as events. */
export const tumbling: OperatorRule<TumblingStep> = {
  outcomes: {
    deadLetters: ['FUNCTION_THREW', 'TIME_INVALID', 'COLUMN_INVALID', 'STATE_LIMIT'],
    late: true,
    windows: true,
  },

  display({ name, lengthMs }) {
    const length = formatDuration(lengthMs)
    return { shape: 'step', label: `${name}: ${length}`, outline: `windows of ${length}` }
  },

  detail: ({ lengthMs, graceMs, emit, columns, aggregates }, print) => ({
    lengthMs,
    graceMs,
    emit,
    columns: textsOf(columns, print),
    aggregates: textsOf(aggregates, aggregateText),
  }),

  // An open window began at most this long before the watermark, and its result lags behind its
  // events by at most as much.
  keeps: ({ lengthMs, graceMs }) => {
    const delayMs = lengthMs + graceMs
    return { lengthMs: delayMs, delayMs, forEver: [] }
  },

  functions: ({ name, columns }) => functionsOf(name, columns),

  placeAfter: (step, place) => ({ ...place, events: 'made', results: step }),

  check(step, place, report) {
    const { name, lengthMs, graceMs, columns, aggregates, emit } = step
    checkPlace(step, place, report)
    if (place.results !== null) {
      notSupported(name, 'tumbling windows over tumbling windows', { data: 'the results', report })
    }
    const uses: ColumnUses = { columns, types: new Map() }
    checkLength(lengthMs, (message) => report(name, message))
    if (!(Number.isInteger(graceMs) && graceMs >= 0)) {
      report(name, `grace ${graceMs} ms must be a whole number, not negative`)
    }
    if (!EMITS.includes(emit)) report(name, `emit "${emit}" must be one of ${EMITS.join(', ')}`)
    for (const [field, aggregate] of Object.entries(aggregates)) {
      const tell: ReportFieldFault = (message, o) => report(`${name}.${field}`, message, o)
      if (OF_EVERY_WINDOW.includes(field)) tell(`every result has a field "${field}" already`)
      checkAggregate(aggregate, uses, tell)
    }
  },

  open: (step, open, context) => {
    const behind = open(step.then, { reader: called, shape: null, features: null })
    const areWindows = stepsOfKind(step.then, 'features').length > 0
    return new TumblingWindows(step, { behind, areWindows }, context)
  },
}
