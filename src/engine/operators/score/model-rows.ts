import { TidemarkError } from '../../../kernel/errors.ts'
import type { ScoreStep } from '../../../topology/definition.ts'
import { isFit } from '../../../topology/graph.ts'
import { isRule, isTrained } from '../../../topology/models.ts'
import type { FeatureMatrix, FlowBatch, ModelBatch } from '../../events.ts'
import { Routes } from '../routes.ts'
import type { FeatureNames, OperatorContext, ReportFault, StepPlace } from '../rule.ts'

type Rows = Omit<ModelBatch, 'ask' | 'read'>

const NONE_CARRIED = new Float64Array(0)

/** Makes the rows of a score step's models from the features of events. */
export class ModelRows {
  readonly #step: ScoreStep
  /** By column of a row: the place of its feature in the author's order. */
  readonly #order: readonly number[]
  /** Whether the author's features are the row already. */
  readonly #isSame: boolean
  /** How many features the author has. */
  readonly #width: number
  readonly #carried: readonly number[]
  readonly #exact: number
  readonly #routes: Routes | null
  /** By rule: the columns that must have a value. */
  readonly #taken: readonly (readonly number[])[]

  constructor(
    step: ScoreStep,
    { names, exact }: FeatureNames,
    context: Pick<OperatorContext, 'input' | 'keys'>,
  ) {
    this.#step = step
    this.#order = step.features.map((name) => names.indexOf(name))
    this.#isSame =
      this.#order.length === names.length && this.#order.every((place, c) => place === c)
    this.#width = names.length
    this.#carried = (step.carry ?? []).map((name) => exact.indexOf(name))
    this.#exact = exact.length
    this.#routes = step.routes.length === 0 ? null : new Routes(step, context)
    this.#taken = takenBy(step)
  }

  /**
   * @param fault called for each event that no model can score
   * @returns the other events, in order, with their rows
   */
  make(batch: FlowBatch, fault: (index: number, error: TidemarkError) => void) {
    const { indices } = batch
    const { rows, areFinite } = batch.features as FeatureMatrix
    const isDense = indices.at(-1) === indices.length - 1
    const isAsItIs = this.#isSame && isDense && areFinite && this.#carried.length === 0
    if (!isAsItIs || this.#routes !== null) return this.#copied(batch, fault)
    // Without a copy, because most batches are like this.
    const modelRows = rows.subarray(0, indices.length * this.#width)
    return { indices, rows: { rows: modelRows, carried: NONE_CARRIED } }
  }

  /** The rows of events that no model scores. */
  unscored({ features }: FlowBatch, indices: readonly number[]): Rows {
    const rows = new Float32Array(indices.length * this.#order.length)
    const carried = new Float64Array(indices.length * this.#carried.length)
    for (const [row, index] of indices.entries()) {
      this.#copy(features as FeatureMatrix, index, { rows, carried, row })
    }
    return { rows, carried }
  }

  #copied(batch: FlowBatch, fault: (index: number, error: TidemarkError) => void) {
    const { indices: candidates } = batch
    const { areFinite } = batch.features as FeatureMatrix
    const rows = new Float32Array(candidates.length * this.#order.length)
    const carried = new Float64Array(candidates.length * this.#carried.length)
    const routes = this.#routes && new Uint8Array(candidates.length)
    const indices: number[] = []
    for (const index of candidates) {
      const row = indices.length
      this.#copy(batch.features as FeatureMatrix, index, { rows, carried, row })
      let rule = 0
      if (routes !== null) {
        const decision = this.#decide(batch, index, { rows, carried, row })
        if (typeof decision !== 'number') {
          fault(index, decision)
          continue
        }
        routes[row] = rule = decision
      }
      const lacking = areFinite ? null : this.#lacking(rows, row, rule)
      if (lacking === null) indices.push(index)
      else fault(index, lacking)
    }
    const { length } = indices
    const modelRows = {
      rows: rows.subarray(0, length * this.#order.length),
      carried: carried.subarray(0, length * this.#carried.length),
      ...(routes && { routes: routes.subarray(0, length) }),
    }
    return { indices, rows: modelRows }
  }

  #copy(from: FeatureMatrix, index: number, { rows, carried, row }: RowPlace): void {
    const order = this.#order
    const [base, start] = [index * this.#width, row * order.length]
    for (let c = 0; c < order.length; c++) {
      rows[start + c] = from.rows[base + (order[c] as number)] as number
    }
    const beside = row * this.#carried.length
    for (let c = 0; c < this.#carried.length; c++) {
      const place = index * this.#exact + (this.#carried[c] as number)
      carried[beside + c] = from.exact[place] as number
    }
  }

  /** The number of the rule that holds. */
  #decide(batch: FlowBatch, index: number, { rows, carried, row }: RowPlace) {
    const routes = this.#routes as Routes
    routes.view.move(rows, carried, row)
    const { features } = routes.view
    const [key, timeMs] = [batch.keys[index] as number, batch.timesMs[index] as number]
    const { foundRows } = batch.features as FeatureMatrix
    return routes.decide({ events: batch.events, index, key, timeMs, features, foundRows })
  }

  /** Why the rule's model cannot take a row; `null`: it can. */
  #lacking(rows: Float32Array, row: number, rule: number): TidemarkError | null {
    const { features } = this.#step
    for (const column of this.#taken[rule] as readonly number[]) {
      const value = rows[row * features.length + column] as number
      if (!isFit(this.#step, value)) return notFinite(features[column] as string, value)
    }
    return null
  }
}

interface RowPlace {
  readonly rows: Float32Array
  readonly carried: Float64Array
  readonly row: number
}

function notFinite(name: string, value: number): TidemarkError {
  const hint = `.score(model, { missing: 'nan' }) lets a missing value reach the model`
  const details = Number.isNaN(value) ? { hint } : {}
  return new TidemarkError('FEATURE_NOT_FINITE', `feature "${name}" is ${value}`, details)
}

/**
 * By rule: the columns that its model takes; last, those for events without a rule. A rule that is
 * a model decides itself about missing columns. Variants need all columns, because an event's
 * outcome must not depend on the one chosen.
 */
function takenBy(step: ScoreStep): readonly (readonly number[])[] {
  const { routes, otherwise, features, variants } = step
  if (variants !== null) return [features.map((_, column) => column)]
  return [...routes.map(({ to }) => to), otherwise].map((name) => columnsTaken(step, name))
}

/** The columns that a model takes; none if it is a rule, or unknown. */
export function columnsTaken({ models, features }: ScoreStep, name: string): readonly number[] {
  const model = models[name]
  if (model === undefined || isRule(model)) return []
  return model.features.map((feature) => features.indexOf(feature))
}

/** Reports features that models lack, and those that none takes. */
export function checkTaken(
  { name: step, carry = [], models }: ScoreStep,
  { features: names, dropped }: Pick<StepPlace, 'features' | 'dropped'>,
  report: ReportFault,
): void {
  const trained = Object.values(models).filter(isTrained)
  const taken = new Set(trained.flatMap((model) => model.features))
  const dropping = (absent: readonly string[]) => {
    const gone = absent.filter((f) => dropped.includes(f))
    return gone.length === 0 ? {} : { hint: `derive drops ${gone.join(', ')}` }
  }
  for (const { name, features: needed } of trained) {
    const missing = needed.filter((f) => !names.includes(f))
    if (missing.length === 0) continue
    report(step, `model ${name} needs ${missing.join(', ')}`, dropping(missing))
  }
  // A function may take any feature.
  const isClosed = trained.length === Object.keys(models).length
  const unused = names.filter((f) => !taken.has(f) && !carry.includes(f))
  const unknown = carry.filter((f) => !names.includes(f))
  const twice = carry.filter((f, i) => taken.has(f) || carry.indexOf(f) < i)
  if (isClosed && unused.length > 0) {
    const who = trained.length === 1 ? `model ${trained[0]?.name} does` : 'its models do'
    report(step, `${who} not take ${unused.join(', ')}`)
  }
  if (unknown.length > 0) {
    report(step, `carry: there is no feature ${unknown.join(', ')}`, dropping(unknown))
  }
  if (twice.length > 0) report(step, `carry: ${twice.join(', ')} is there already`)
}
