import { called, type Events } from '../../columns/events.ts'
import type { MapStep } from '../../topology/definition.ts'
import { readFunction } from '../../topology/function-reading.ts'
import type { EventShape, OperatorRule } from './rule.ts'

/** Replaces each event by what a function returns for it. */
export const map: OperatorRule<MapStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW'] },

  display: ({ name }) => ({ shape: 'step', label: name, outline: null }),

  detail: ({ to }, print) => ({ to: print(to) }),

  *functions({ name, to }) {
    yield { where: name, argument: 'event', of: to }
  },

  open({ name, to, then }, open, { input }) {
    const read = input.reader(to)
    const behind = open(then, {
      reader: called,
      shape: shapeOf(to, input.shape),
      features: null,
    })
    const isDirect = behind.every((operator) => operator.isDirect === true)
    return {
      *process(batch, run) {
        const made: unknown[] = new Array(batch.count)
        const indices =
          isDirect && areInColumns(batch.events, batch.indices)
            ? batch.indices
            : run.each(name, batch, (events, index) => {
                if (!isDirect || !isInColumns(events, index)) made[index] = read.of(events, index)
                return true
              })
        for (const operator of behind) {
          yield* operator.process({ ...batch, indices, events: made }, run)
        }
      },
    }
  },
}

function shapeOf(to: MapStep['to'], shape: EventShape | null): EventShape | null {
  const reading = readFunction(to)
  if (shape === null || shape.expression !== null || 'why' in reading) return null
  return { known: shape.known, expression: reading.expression }
}

function areInColumns(events: Events, indices: readonly number[]): boolean {
  for (const index of indices) if (!isInColumns(events, index)) return false
  return true
}

function isInColumns(events: Events, index: number): boolean {
  return events.memoryOf !== undefined && events.memoryOf(index) !== null
}
