import type { ColumnForm } from '../columns/columns.ts'
import type { Operator } from '../engine/operators/rule.ts'
import { openBehindModel } from '../engine/plan.ts'
import type { Header } from '../records/port.ts'
import type { StepScorer } from '../scoring/step-scorer.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { type DirectSinks, directSinks } from './direct-outputs.ts'
import { decisionHeaders } from './provenance.ts'
import { ScoreReader } from './score-reader.ts'

/** What happens to events after a model has scored them. */
export interface AfterModel {
  readonly reader: ScoreReader
  readonly behind: readonly Operator[]
  /** `null`: a function after the model must be called with each event. */
  readonly sinks: DirectSinks | null
  /** The headers of an output that say what was decided, by number of the decision. */
  readonly headers: readonly (readonly Header[])[]
}

/** @param forms the columns of the topology's events */
export function afterModel(
  step: ScoreStep,
  { decisions }: Pick<StepScorer, 'decisions'>,
  forms: readonly ColumnForm[],
): AfterModel {
  const by = decisions.map(({ route, scorer }) => ({ route, label: scorer.label }))
  return {
    reader: new ScoreReader(step, by),
    behind: openBehindModel(step),
    sinks: directSinks(step, { forms, by }),
    headers: decisions.map(decisionHeaders),
  }
}
