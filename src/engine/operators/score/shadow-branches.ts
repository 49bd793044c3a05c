import { isShare, Share } from '../../../kernel/shares.ts'
import type { ScoreStep } from '../../../topology/definition.ts'
import { isFit } from '../../../topology/graph.ts'
import { outputsOf } from '../../../topology/models.ts'
import type { ShadowRows, StepScores } from '../../events.ts'
import type { Dictionary } from '../../store/dictionary.ts'
import { badShare } from '../routes.ts'
import type { ReportFault } from '../rule.ts'
import { columnsTaken } from './model-rows.ts'

/**
 * Chooses the events that go on to the shadows of a score step, beside its other steps. It looks at
 * once which keys are in a shadow's share, because their numbers may be given to other keys before
 * there are scores.
 *
 * @returns a function of events, with keys by index; it returns another, which gives the rows of
 * each shadow that have a main score of another model
 */
export function shadowChoice(step: ScoreStep, dictionary: Dictionary) {
  const { routes, otherwise, fallback, features } = step
  /** By number of a rule, the name of its model. */
  const byRule = [...routes.map(({ to }) => to), otherwise]
  const taken = byRule.map((name) => columnsTaken(step, name))
  const branches = step.shadows.map(({ model, share }) => ({
    share: new Share(`shadow.${model}`, share),
    model,
    /** The columns that its model takes and a main model may do without. */
    columns: columnsTaken(step, model).filter((column) =>
      taken.some((columns) => !columns.includes(column)),
    ),
  }))
  return (indices: readonly number[], keys: ArrayLike<number>) => {
    const inShare = branches.map(({ share }) => {
      const rows = indices.map((_, row) => row)
      if (share.isWhole) return rows
      const keyOf = (row: number) => keys[indices[row] as number] as number
      return rows.filter((row) => share.hasNumber(keyOf(row), dictionary))
    })
    return (rows: Float32Array, { decided, faults }: StepScores): readonly ShadowRows[] =>
      branches.map(({ model, columns }, shadow) => {
        const scored = (inShare[shadow] as readonly number[]).filter((row) => {
          const by = byRule[decided[row] as number] ?? fallback?.to
          return !faults.has(row) && by !== model
        })
        const width = features.length
        const fit = scored.filter((row) =>
          columns.every((c) => isFit(step, rows[row * width + c] as number)),
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
