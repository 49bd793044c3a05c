// How accurate a model is, as its definition states it.

/** The measures of accuracy, and whether a model is better with a higher one. */
const MEASURES = {
  auc: { isHigherBetter: true },
  accuracy: { isHigherBetter: true },
  macroF1: { isHigherBetter: true },
  mae: { isHigherBetter: false },
  rmse: { isHigherBetter: false },
} as const

/** A measure of accuracy. */
export type Measure = keyof typeof MEASURES

/**
 * How accurate a model is, by one measure: `auc` (area under the ROC curve), `accuracy` (share of
 * rows whose class is predicted), `macroF1` (mean of F1 over the classes), each 0 to 1; `mae` (mean
 * absolute error) or `rmse` (root of the mean square error), in the unit of what is predicted.
 * `rows` is how many labelled rows it was measured on. `tidemark model evaluate` measures it.
 */
export type StatedAccuracy = {
  [M in Measure]: { readonly [N in M]: number } & {
    readonly [N in Exclude<Measure, M>]?: never
  } & { readonly rows: number }
}[Measure]

const NAMES = Object.keys(MEASURES) as Measure[]

/** The measure that is stated, and its value. */
export function measureOf(accuracy: StatedAccuracy): { measure: Measure; value: number } {
  const measure = NAMES.find((name) => accuracy[name] !== undefined) as Measure
  return { measure, value: accuracy[measure] as number }
}

/** Is a stated accuracy as good as `least`, or better? */
export function isAtLeast(accuracy: StatedAccuracy, least: number): boolean {
  const { measure, value } = measureOf(accuracy)
  return MEASURES[measure].isHigherBetter ? value >= least : value <= least
}

/** Sorts accuracies of one measure, the best first. */
export function byAccuracy(a: StatedAccuracy, b: StatedAccuracy): number {
  const { measure, value } = measureOf(a)
  const difference = measureOf(b).value - value
  return MEASURES[measure].isHigherBetter ? difference : -difference
}

/** What is wrong with a stated accuracy; `null`: nothing. */
export function accuracyFault(stated: StatedAccuracy): string | null {
  if (typeof stated !== 'object' || stated === null) {
    return `accuracy must be an object such as { auc: 0.9, rows: 20_000 }, got ${JSON.stringify(stated)}`
  }
  const unknown = Object.keys(stated).find((name) => name !== 'rows' && !isMeasure(name))
  if (unknown !== undefined)
    return `accuracy has no "${unknown}": it is one of ${NAMES.join(', ')}, and rows`
  const given = NAMES.filter((name) => stated[name] !== undefined)
  if (given.length !== 1) {
    return `accuracy must be stated by one of ${NAMES.join(', ')}, got ${given.join(' and ') || 'none'}`
  }
  const { measure, value } = measureOf(stated)
  const most = MEASURES[measure].isHigherBetter ? 1 : Number.MAX_VALUE
  if (!(typeof value === 'number' && value >= 0 && value <= most)) {
    return `accuracy.${measure} must be a number from 0${most === 1 ? ' to 1' : ' on'}, got ${JSON.stringify(value)}`
  }
  if (!(Number.isSafeInteger(stated.rows) && stated.rows > 0)) {
    return `accuracy.rows must be a whole number above 0, got ${JSON.stringify(stated.rows)}`
  }
  return null
}

function isMeasure(name: string): name is Measure {
  return Object.hasOwn(MEASURES, name)
}
