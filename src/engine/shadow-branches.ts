import { Share } from '../kernel/shares.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { isRule } from '../topology/models.ts'
import type { ShadowRows, StepScores } from './events.ts'
import type { Dictionary } from './store/dictionary.ts'

interface Branch {
  readonly share: Share
  /** By number of a rule: does it choose the shadow's own model, which scores the event already? */
  readonly isOwn: readonly boolean[]
  readonly isOwnFallback: boolean
  /** The columns that its model takes and a main model may do without. */
  readonly columns: readonly number[]
}

/** Chooses the events that go on to the shadows of a score step, beside its other steps. */
export class ShadowBranches {
  readonly #step: ScoreStep
  readonly #keys: Dictionary
  readonly #branches: readonly Branch[]

  constructor(step: ScoreStep, keys: Dictionary) {
    const byRule = [...step.routes.map(({ to }) => to), step.otherwise]
    this.#step = step
    this.#keys = keys
    this.#branches = step.shadows.map(({ model, share }) => ({
      share: new Share(`shadow.${model}`, share),
      isOwn: byRule.map((name) => name === model),
      isOwnFallback: step.fallback?.to === model,
      columns: byRule.some((name) => !takesAllOf(step, name, model)) ? columnsOf(step, model) : [],
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
      this.#branches.map(({ isOwn, isOwnFallback, columns }, shadow) => {
        const scored = (inShare[shadow] as readonly number[]).filter((row) => {
          return !faults.has(row) && !(isOwn[decided?.[row] ?? 0] ?? isOwnFallback)
        })
        const fit = scored.filter((row) => columns.every((c) => this.#isFit(rows, row, c)))
        return { rows: fit, unfit: scored.length - fit.length }
      })
  }

  #isFit(rows: Float32Array, row: number, column: number): boolean {
    const { features, missing } = this.#step
    const value = rows[row * features.length + column] as number
    return Number.isFinite(value) || (Number.isNaN(value) && missing === 'nan')
  }
}

function takesAllOf({ models }: ScoreStep, name: string, shadow: string): boolean {
  const [main, other] = [models[name], models[shadow]]
  if (main === undefined || other === undefined || isRule(other)) return true
  return !isRule(main) && other.features.every((feature) => main.features.includes(feature))
}

function columnsOf({ models, features }: ScoreStep, name: string): readonly number[] {
  const model = models[name]
  if (model === undefined || isRule(model)) return []
  return model.features.map((feature) => features.indexOf(feature))
}
