import { called, type Events } from '../../columns/events.ts'
import type { MapStep } from '../../topology/definition.ts'
import { readFunction } from '../../topology/function-reading.ts'
import { fieldsRead } from '../../topology/function-source.ts'
import { eventsWithFeatures, inputWithFeatures } from './featured-events.ts'
import { type EventShape, type OperatorRule, passOn } from './rule.ts'

/** Replaces each event by the result of a function. */
export const map: OperatorRule<MapStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW', 'TIME_INVALID'] },

  display: ({ name }) => ({ shape: 'step', label: name, outline: null }),

  detail: ({ to }, print) => ({ to: print(to) }),

  *functions({ name, to }) {
    yield { where: name, argument: 'event', of: to }
  },

  check({ name, to }, _, report) {
    if (typeof to !== 'function' || (fieldsRead(to, 1) ?? []).length === 0) return
    const hint = 'behind features its only argument is { event, features }'
    report(name, 'the function reads a second argument, and gets none', { hint })
  },

  takesFeatures: true,

  placeAfter: (_, place) => ({ ...place, events: 'made', features: [] }),

  open({ name, to, then }, open, context) {
    const input = inputWithFeatures(context.input)
    const read = input.reader(to)
    const behind = open(then, {
      reader: called,
      shape: shapeOf(to, input.shape),
      features: null,
    })
    const isDirect = behind.every((operator) => operator.isDirect === true)
    return {
      *process(batch, run) {
        const source = eventsWithFeatures(batch)
        const made: unknown[] = new Array(batch.count)
        const sourceBatch = { ...batch, events: source, source, features: null }
        const indices =
          isDirect && batch.indices.every((index) => isInColumns(source, index))
            ? batch.indices
            : run.each(name, sourceBatch, (events, index) => {
                if (!isDirect || !isInColumns(events, index)) made[index] = read.of(events, index)
                return true
              })
        yield* passOn(behind, { ...sourceBatch, indices, events: made }, run)
      },
    }
  },
}

function shapeOf(to: MapStep['to'], shape: EventShape | null): EventShape | null {
  const reading = readFunction(to)
  if (shape === null || shape.expression !== null || 'why' in reading) return null
  return { eventOf: shape.eventOf, expression: reading.expression }
}

function isInColumns(events: Events, index: number): boolean {
  return events.memoryOf !== undefined && events.memoryOf(index) !== null
}
