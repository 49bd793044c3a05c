import { TidemarkError } from '../../kernel/errors.ts'
import { generated } from '../../kernel/node.ts'
import { arithmeticOf } from '../../topology/arithmetic.ts'
import type { DerivedFeature, DeriveStep } from '../../topology/definition.ts'
import { fieldsRead } from '../../topology/function-source.ts'
import { exactFeatures, featuresBehind } from '../../topology/graph.ts'
import type { Batch, FeatureMatrix } from '../events.ts'
import { threw, typeNameOf } from '../faults.ts'
import { FeatureView } from '../routes.ts'
import { type ChunkRun, subjectOf } from '../run.ts'
import {
  areWanted,
  checkFunction,
  type FeatureNames,
  type Operator,
  type OperatorRule,
  passOn,
  type ReadyBatches,
} from './rule.ts'

/** Computes features from others, and leaves some out. */
export const derive: OperatorRule<DeriveStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW', 'COLUMN_INVALID', 'FEATURE_NOT_FINITE'] },

  display({ name, derived }) {
    const { length } = Object.keys(derived)
    return { shape: 'step', label: `${name}: ${length}`, outline: `${length} derived` }
  },

  detail: ({ derived, drop }, print) => ({
    derived: Object.fromEntries(Object.entries(derived).map(([name, of]) => [name, print(of)])),
    drop,
  }),

  *functions({ name, derived }) {
    for (const [feature, of] of Object.entries(derived)) {
      yield { where: `${name}.${feature}`, argument: 'unrounded', of }
    }
  },

  check({ name, derived, drop }, { features }, report) {
    const hint = `there is ${features.join(', ')}`
    for (const [feature, of] of Object.entries(derived)) {
      const where = `${name}.${feature}`
      if (features.includes(feature)) report(where, `two features are named "${feature}"`)
      checkFunction(feature, of, 'of the features', (what) => report(where, what))
      const read = typeof of === 'function' ? (fieldsRead(of, 0) ?? []) : []
      const strange = read.filter((field) => !features.includes(field))
      if (strange.length === 0) continue
      const isOwn = strange.every((field) => Object.hasOwn(derived, field))
      const o = isOwn ? { hint: 'it is derived in the same step: use a second .derive' } : { hint }
      report(where, `there is no feature ${strange.join(', ')}`, o)
    }
    const unknown = drop.filter((feature) => !features.includes(feature))
    const twice = drop.filter((feature, i) => drop.indexOf(feature) < i)
    if (unknown.length > 0) {
      report(name, `drop: there is no feature ${unknown.join(', ')}`, { hint })
    }
    if (twice.length > 0) report(name, `drop: ${twice.join(', ')} is listed twice`)
  },

  placeAfter: (step, place) => ({
    ...place,
    features: featuresBehind(step, place.features),
    dropped: [...place.dropped, ...step.drop],
  }),

  open(step, open, { input }) {
    if (input.features === null) {
      throw new TidemarkError('INVARIANT', `step "${step.name}" (derive) follows no features step`)
    }
    const names = featuresBehind(step, input.features.names)
    const exact = exactFeatures(step.then, names)
    const behind = open(step.then, { ...input, features: { names, exact } })
    return new Derive(step, { before: input.features, after: { names, exact }, behind })
  },
}

interface DeriveParts {
  readonly before: FeatureNames
  readonly after: FeatureNames
  readonly behind: readonly Operator[]
}

/** May throw what an author's function throws. @param exact row-major */
type Compute = (exact: Float64Array, index: number) => unknown

interface Derived {
  readonly name: string
  readonly compute: Compute
}

class Derive implements Operator {
  readonly #step: DeriveStep
  readonly #parts: DeriveParts
  /** Places of the features that stay, in the rows before. */
  readonly #kept: readonly number[]
  readonly #derived: readonly Derived[]
  /** By feature behind that is not rounded: its place before; or, from −1 down, among those derived. */
  readonly #exact: readonly number[]
  readonly #values: Float64Array

  constructor(step: DeriveStep, parts: DeriveParts) {
    const { before, after } = parts
    const names = Object.keys(step.derived)
    this.#step = step
    this.#parts = parts
    this.#kept = before.names.flatMap((name, at) => (after.names.includes(name) ? [at] : []))
    this.#derived = Object.entries(step.derived).map(([name, of]) => {
      return { name, compute: computeOf(of, before.exact) }
    })
    this.#exact = after.exact.map((name) => {
      const own = names.indexOf(name)
      return own < 0 ? before.exact.indexOf(name) : -1 - own
    })
    this.#values = new Float64Array(names.length)
  }

  *process(batch: Batch, run: ChunkRun): ReadyBatches {
    const { after, behind } = this.#parts
    const before = batch.features as FeatureMatrix
    const rows = new Float32Array(batch.count * after.names.length)
    const exact = new Float64Array(batch.count * after.exact.length)
    let doubt = 0
    const indices = batch.indices.filter((index) => {
      const error = this.#compute(before.exact, index)
      if (error !== null) run.fault(subjectOf(batch, index), this.#step.name, error)
      else doubt += this.#write(before, index, { rows, exact })
      return error === null
    })
    const areFinite = before.areFinite && doubt === 0
    const own = { step: this.#step.name, names: after.names }
    const features = { ...before, ...own, rows, exact, areFinite }
    yield* passOn(behind, { ...batch, indices, features }, run)
  }

  wants: NonNullable<Operator['wants']> = (events, index) =>
    areWanted(this.#parts.behind, events, index)

  #compute(exact: Float64Array, index: number): TidemarkError | null {
    for (let d = 0; d < this.#derived.length; d++) {
      const { name, compute } = this.#derived[d] as Derived
      try {
        const value = compute(exact, index)
        if (typeof value !== 'number') {
          const what = `feature "${name}" must be a number, got ${typeNameOf(value)}`
          return new TidemarkError('COLUMN_INVALID', what)
        }
        this.#values[d] = value
      } catch (cause) {
        return threw(cause, `${this.#step.name}.${name}`)
      }
    }
    return null
  }

  /** @returns 0 if all derived features are finite as float32, else NaN */
  #write(
    before: FeatureMatrix,
    index: number,
    { rows, exact }: Pick<FeatureMatrix, 'rows' | 'exact'>,
  ): number {
    const [kept, values] = [this.#kept, this.#values]
    const from = index * before.names.length
    const base = index * (kept.length + values.length)
    for (let k = 0; k < kept.length; k++) {
      rows[base + k] = before.rows[from + (kept[k] as number)] as number
    }
    let doubt = 0
    for (let d = 0; d < values.length; d++) {
      const at = base + kept.length + d
      rows[at] = values[d] as number
      doubt += rows[at] * 0
    }
    const width = this.#parts.before.exact.length
    for (let e = 0; e < this.#exact.length; e++) {
      const place = this.#exact[e] as number
      const value = place < 0 ? values[-1 - place] : before.exact[index * width + place]
      exact[index * this.#exact.length + e] = value as number
    }
    return doubt
  }
}

const NO_ROWS = new Float32Array(0)

/** Computed from its source text where that only calculates; else called with the features. */
function computeOf(of: DerivedFeature, names: readonly string[]): Compute {
  const at = (name: string) => `exact[index * ${names.length} + ${names.indexOf(name)}]`
  const reading = arithmeticOf(of, (name) => (names.includes(name) ? at(name) : null))
  const made = 'code' in reading && generated(['exact', 'index'], `return ${reading.code}`)
  if (made) return made as Compute
  const view = new FeatureView([], names)
  return (exact, index) => {
    view.move(NO_ROWS, exact, index)
    return of(view.features)
  }
}
