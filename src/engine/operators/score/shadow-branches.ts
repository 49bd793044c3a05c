import { isShare, Share } from '../../../kernel/shares.ts'
import type { ScoreStep } from '../../../topology/definition.ts'
import { isFit } from '../../../topology/graph.ts'
import { outputsOf } from '../../../topology/models.ts'
import type { ShadowRows, StepScores } from '../../events.ts'
import type { Dictionary } from '../../store/dictionary.ts'
import { badShare } from '../routes.ts'
import type { ReportFault } from '../rule.ts'
import { columnsTaken } from './model-rows.ts'

interface Branch {
  readonly share: Share
  readonly model: string
  /** The columns that its model takes and a main model may do without. */
  readonly columns: readonly number[]
}

/** Chooses the events that go on to the shadows of a score step, beside its other steps. */
export class ShadowBranches {
  readonly #step: ScoreStep
  readonly #keys: Dictionary
  /** By number of a rule, the name of its model. */
  readonly #byRule: readonly string[]
  readonly #branches: readonly Branch[]

  constructor(step: ScoreStep, keys: Dictionary) {
    this.#step = step
    this.#keys = keys
    this.#byRule = [...step.routes.map(({ to }) => to), step.otherwise]
    const taken = this.#byRule.map((name) => columnsTaken(step, name))
    this.#branches = step.shadows.map(({ model, share }) => ({
      share: new Share(`shadow.${model}`, share),
      model,
      columns: columnsTaken(step, model).filter((column) =>
        taken.some((columns) => !columns.includes(column)),
      ),
    }))
  }

  /**
   * Looks at once which keys are in a shadow's share, because their numbers may be given to other
   * keys before there are scores.
   *
   * @param keys by index
   * @returns gives the rows of each shadow that have a main score of another model
   */
  choose(indices: readonly number[], keys: ArrayLike<number>) {
    const inShare = this.#branches.map(({ share }) => {
      const rows = indices.map((_, row) => row)
      if (share.isWhole) return rows
      return rows.filter((row) =>
        share.hasNumber(keys[indices[row] as number] as number, this.#keys),
      )
    })
    return (rows: Float32Array, { decided, faults }: StepScores): readonly ShadowRows[] =>
      this.#branches.map(({ model, columns }, shadow) => {
        const scored = (inShare[shadow] as readonly number[]).filter((row) => {
          const by = this.#byRule[decided[row] as number] ?? this.#step.fallback?.to
          return !faults.has(row) && by !== model
        })
        const width = this.#step.features.length
        const fit = scored.filter((row) =>
          columns.every((c) => isFit(this.#step, rows[row * width + c] as number)),
        )
        return { rows: fit, unfit: scored.length - fit.length }
      })
  }
}

export function checkShadows(step: ScoreStep, report: ReportFault): void {
  const { name, shadows, routes, otherwise, models, outputs } = step
  for (const { model, share } of shadows) {
    const shadowOutputs = models[model] === undefined ? outputs : outputsOf(models[model])
    const lacking = Object.keys(outputs).filter((output) => !Object.hasOwn(shadowOutputs, output))
    if (lacking.length > 0) report(name, `shadow "${model}" has no output ${lacking.join(', ')}`)
    if (!isShare(share)) badShare(`${name}.shadow.${model}`, share, report)
    if (model === otherwise && routes.length === 0) {
      report(name, `shadow "${model}" is the model that scores every event already`)
    }
  }
}
