import type { Arrivals } from '../../engine/events.ts'
import type { StepAnswer } from '../../scoring/step-answer.ts'
import type { StepModel } from '../../scoring/step-models.ts'
import type { ScoreStep } from '../../topology/definition.ts'
import { isRule } from '../../topology/models.ts'

/** Decides which rows a shadow gets, of those whose keys are in its share. */
export class ShadowChoice {
  readonly #number: number
  readonly #model: StepModel
  /** By number of the decision: does the shadow's own model score such an event already? */
  readonly #isOwn: readonly boolean[]
  /** May a feature of the model be missing where the main model has all of its own? */
  readonly #mayLack: boolean

  /**
   * @param number of the shadow in the step
   * @param decisions how many decisions the step can take
   */
  constructor(
    step: ScoreStep,
    { number, model, decisions }: { number: number; model: StepModel; decisions: number },
  ) {
    const byRule = [...step.routes.map(({ to }) => to), step.otherwise]
    this.#number = number
    this.#model = model
    this.#isOwn = Array.from({ length: decisions }, (_, decision) => {
      return (byRule[decision] ?? step.fallback?.to) === model.name
    })
    this.#mayLack = byRule.some((name) => !takesAllOf(step, name, model.name))
  }

  /** The rows of events that have a main score, which is another model's. */
  rows({ shadowed }: Arrivals, { decided, faults }: StepAnswer): readonly number[] {
    const inShare = shadowed?.[this.#number] ?? []
    if (faults.size === 0 && decided === null && !this.#isOwn[0]) return inShare
    return inShare.filter((row) => !faults.has(row) && !this.#isOwn[decided?.[row] ?? 0])
  }

  /** Those of some rows whose features the model can be given. */
  fit(chosen: readonly number[], { rows }: Arrivals): readonly number[] {
    if (!this.#mayLack) return chosen
    return chosen.filter((row) => this.#model.lacks(rows, row) === null)
  }
}

/** Are all features of one model among those of another? */
function takesAllOf({ models }: ScoreStep, name: string, shadow: string): boolean {
  const [main, other] = [models[name], models[shadow]]
  if (main === undefined || other === undefined || isRule(other)) return true
  return !isRule(main) && other.features.every((feature) => main.features.includes(feature))
}
