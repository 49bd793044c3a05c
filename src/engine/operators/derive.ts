import { TidemarkError } from '../../kernel/errors.ts'
import { generated } from '../../kernel/node.ts'
import { arithmeticOf } from '../../topology/arithmetic.ts'
import type { DerivedFeature, DeriveStep } from '../../topology/definition.ts'
import { fieldsRead } from '../../topology/function-source.ts'
import { exactFeatures, featuresBehind } from '../../topology/graph.ts'
import type { FeatureMatrix, FlowBatch } from '../events.ts'
import { threw, typeNameOf } from '../faults.ts'
import { type ChunkRun, subjectOf } from '../run.ts'
import { FeatureView } from './conditions.ts'
import {
  areWanted,
  checkFunction,
  type FeatureNames,
  type Operator,
  type OperatorRule,
  passOn,
  type ReadyBatches,
  textsOf,
} from './rule.ts'

/** Computes features from others, and leaves some out. */
export const derive: OperatorRule<DeriveStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW', 'COLUMN_INVALID', 'FEATURE_NOT_FINITE'] },

  display({ name, derived }) {
    const { length } = Object.keys(derived)
    return { shape: 'step', label: `${name}: ${length}`, outline: `${length} derived` }
  },

  detail: ({ derived, drop }, print) => ({ derived: textsOf(derived, print), drop }),

  *functions({ name, derived }) {
    for (const [feature, formula] of Object.entries(derived)) {
      yield { where: `${name}.${feature}`, argument: 'unrounded', of: formula }
    }
  },

  check({ name, derived, drop }, { features }, report) {
    const hint = `there is ${features.join(', ')}`
    for (const [feature, formula] of Object.entries(derived)) {
      const where = `${name}.${feature}`
      if (features.includes(feature)) report(where, `two features are named "${feature}"`)
      checkFunction(feature, formula, 'of the features', (message) => report(where, message))
      const read = typeof formula === 'function' ? (fieldsRead(formula, 0) ?? []) : []
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

/**
 * Writes all derived features of an event. May throw an author's error.
 * @param exact row-major @returns the place of the first that is not a number; −1: all are numbers
 */
type Compute = (exact: Float64Array, index: number, values: Float64Array) => number

/** Details of a feature that {@link Compute} has not written. */
interface Unwritten {
  /** The place of the function that was called last, which may have thrown. */
  calledAt: number
  /** The result that is not a number. */
  result: unknown
}

class Derive implements Operator {
  readonly #step: DeriveStep
  readonly #parts: DeriveParts
  /** Places of the features that stay, in the rows before. */
  readonly #kept: Int32Array
  readonly #names: readonly string[]
  readonly #unwritten: Unwritten = { calledAt: 0, result: undefined }
  readonly #compute: Compute
  /** By feature behind that is not rounded: its place before; or, from −1 down, among those derived. */
  readonly #exact: Int32Array
  readonly #values: Float64Array

  constructor(step: DeriveStep, parts: DeriveParts) {
    const { before, after } = parts
    const names = Object.keys(step.derived)
    this.#step = step
    this.#parts = parts
    const kept = before.names.flatMap((name, at) => (after.names.includes(name) ? [at] : []))
    this.#kept = Int32Array.from(kept)
    this.#names = names
    this.#compute = computeOf(Object.values(step.derived), before.exact, this.#unwritten)
    this.#exact = Int32Array.from(after.exact, (name) => {
      const place = names.indexOf(name)
      return place < 0 ? before.exact.indexOf(name) : -1 - place
    })
    this.#values = new Float64Array(names.length)
  }

  *process(batch: FlowBatch, run: ChunkRun): ReadyBatches {
    yield* passOn(this.#parts.behind, this.#derived(batch, run), run)
  }

  /** Not in {@link process}, because V8 compiles a loop in a generator late. */
  #derived(batch: FlowBatch, run: ChunkRun): FlowBatch {
    const { after } = this.#parts
    const before = batch.features as FeatureMatrix
    const rows = new Float32Array(batch.count * after.names.length)
    const exact = new Float64Array(batch.count * after.exact.length)
    const into = { rows, exact }
    const indices: number[] = []
    let doubt = 0
    for (const index of batch.indices) {
      const error = this.#derive(before.exact, index)
      if (error !== null) {
        run.fault(subjectOf(batch, index), this.#step.name, error)
        continue
      }
      doubt += this.#write(before, index, into)
      indices.push(index)
    }
    const areFinite = before.areFinite && doubt === 0
    const labels = { step: this.#step.name, names: after.names }
    return { ...batch, indices, features: { ...before, ...labels, rows, exact, areFinite } }
  }

  wants: NonNullable<Operator['wants']> = (events, index) =>
    areWanted(this.#parts.behind, events, index)

  #derive(exact: Float64Array, index: number): TidemarkError | null {
    try {
      const bad = this.#compute(exact, index, this.#values)
      if (bad < 0) return null
      const got = typeNameOf(this.#unwritten.result)
      const message = `feature "${this.#names[bad]}" must be a number, got ${got}`
      return new TidemarkError('COLUMN_INVALID', message)
    } catch (cause) {
      return threw(cause, `${this.#step.name}.${this.#names[this.#unwritten.calledAt]}`)
    }
  }

  /** @returns 0 if all derived features are finite as float32, else NaN */
  #write(
    before: FeatureMatrix,
    index: number,
    { rows, exact }: Pick<FeatureMatrix, 'rows' | 'exact'>,
  ): number {
    const [kept, values, unrounded] = [this.#kept, this.#values, this.#exact]
    const width = kept.length + values.length
    const from = index * this.#parts.before.names.length
    let at = index * width
    for (const place of kept) rows[at++] = before.rows[from + place] as number
    let doubt = 0
    for (const value of values) {
      rows[at] = value
      doubt += (rows[at++] as number) * 0
    }
    const base = index * this.#parts.before.exact.length
    let to = index * unrounded.length
    for (const place of unrounded) {
      exact[to++] = (place < 0 ? values[-1 - place] : before.exact[base + place]) as number
    }
    return doubt
  }
}

const NO_ROWS = new Float32Array(0)

/**
 * One function for all derived features: those whose source text only calculates are computed in it,
 * without boxing a number; the others are called with the features.
 */
function computeOf(
  derived: readonly DerivedFeature[],
  names: readonly string[],
  unwritten: Unwritten,
): Compute {
  const view = new FeatureView([], names)
  const call = (exact: Float64Array, index: number, at: number): unknown => {
    unwritten.calledAt = at
    view.move(NO_ROWS, exact, index)
    return derived[at]?.(view.features)
  }
  const place = (name: string) => `exact[base + ${names.indexOf(name)}]`
  const lines = derived.map((formula, at) => {
    const reading = arithmeticOf(formula, (name) => (names.includes(name) ? place(name) : null))
    const value = 'code' in reading ? reading.code : `call(exact, index, ${at})`
    return `const v${at} = ${value}
      if (typeof v${at} !== 'number') { unwritten.result = v${at}; return ${at} }
      values[${at}] = v${at}`
  })
  const body = `return (exact, index, values) => {
    const base = index * ${names.length}
    ${lines.join('\n')}
    return -1
  }`
  const make = generated(['call', 'unwritten'], body) as ((...inputs: unknown[]) => Compute) | null
  if (make !== null) return make(call, unwritten)
  return (exact, index, values) =>
    derived.findIndex((_, at) => {
      const value = call(exact, index, at)
      if (typeof value === 'number') values[at] = value
      else unwritten.result = value
      return typeof value !== 'number'
    })
}
