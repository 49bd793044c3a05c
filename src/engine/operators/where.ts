import type { Events } from '../../columns/events.ts'
import type { EventFunction, FeatureCondition, WhereStep } from '../../topology/definition.ts'
import { fieldsRead } from '../../topology/function-source.ts'
import type { FeatureMatrix } from '../events.ts'
import { FeatureView } from '../routes.ts'
import { areWanted, type OperatorRule, passOn, type StepInput } from './rule.ts'

const NONE_CARRIED = new Float64Array(0)

/** Keeps the events for which a condition is true. */
export const where: OperatorRule<WhereStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW', 'TIME_INVALID'] },

  display: ({ name }) => ({ shape: 'choice', label: name, outline: name }),

  detail: ({ keep, noneOf }, print) => ({
    ...(noneOf && { noneOf: noneOf.map(print) }),
    keep: keep === null ? 'the rest' : print(keep),
  }),

  *functions({ name, keep }) {
    yield { where: name, argument: 'event', of: keep }
  },

  open(step, open, { input }) {
    const holds = conditionOf(step, input)
    const behind = open(step.then, input)
    return {
      *process(batch, run) {
        const { features } = batch
        const indices = run.each(step.name, batch, (events, i) => holds.of(events, i, features))
        yield* passOn(behind, { ...batch, indices }, run)
      },
      wants: (events, i) =>
        (holds.readsFeatures || holds.of(events, i, null)) && areWanted(behind, events, i),
    }
  },
}

interface Condition {
  readonly readsFeatures: boolean
  /** May throw what an author's function throws. */
  of(events: Events, index: number, features: FeatureMatrix | null): boolean
}

function conditionOf({ keep, noneOf = [] }: WhereStep, input: StepInput): Condition {
  // The conditions of a branch are evaluated one by one: combined they would be a function that the
  // author has not written.
  const none = noneOf.map((of) => partOf(of, input))
  const own = keep === null ? null : partOf(keep, input)
  return {
    readsFeatures: [...none, own].some((part) => part?.readsFeatures === true),
    of: (events, index, columns) =>
      !none.some((part) => part.of(events, index, columns)) &&
      (own === null || own.of(events, index, columns)),
  }
}

function partOf(of: FeatureCondition, { reader, features }: StepInput): Condition {
  if (features === null || !readsFeatures(of)) {
    const read = reader(of as EventFunction<boolean>)
    return { readsFeatures: false, of: (events, index) => read.of(events, index) }
  }
  const view = new FeatureView(features.names, [])
  return {
    readsFeatures: true,
    of(events, index, columns) {
      view.move((columns as FeatureMatrix).rows, NONE_CARRIED, index)
      return of(events.at(index), view.features)
    },
  }
}

/** A function whose source does not tell has as many parameters as it says. */
function readsFeatures(of: FeatureCondition): boolean {
  return of.length !== 1 && fieldsRead(of, 1)?.length !== 0
}
