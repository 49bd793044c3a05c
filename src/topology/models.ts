import type { Anything } from '../kernel/author-types.ts'

// Models that an author declares, trained ones and rules, and how accurate a model is.

/** A declared ONNX model: {@link onnxModel} explains its properties. */
export interface Model<F extends readonly string[], O> {
  /** The model's name; outputs are marked with `name@version`. */
  readonly name: string
  /** The names of the columns of its input tensor, in order. */
  readonly features: F
  /** Where each output is, by its name in the topology. */
  readonly outputs: O
}

/**
 * Declares an ONNX model. `tidemark model types FILE --golden FILE` writes this call for you.
 *
 * Nothing is read here. A model whose file does not match its declaration is refused when a worker
 * starts, before it consumes anything: `MODEL_FILE`, `MODEL_SHA256`, `MODEL_LOAD`, `MODEL_INPUT`,
 * `MODEL_OUTPUT`, `MODEL_GOLDEN`, `MODEL_TOO_SLOW`.
 */
export function onnxModel<
  const F extends readonly string[],
  const O extends ModelDefinition['outputs'],
>(m: ModelDefinition<F, O>): Model<F, O> {
  return Object.freeze({ ...m })
}

/**
 * A model that is a function of the author's. `O` are the names of its outputs; `P`, which `takes`
 * carries as a type only, are the features that it takes, by name.
 */
export interface ModelRule<P, O extends string> {
  /** The names of its outputs. */
  readonly outputs: readonly O[]
  /** Outputs are marked with the name that the score step gives it, and this version. */
  readonly version: string
  /** Never present; it only carries the type. */
  readonly takes?: (features: P) => void
}

/**
 * Declares a model that is a pure function of the features, such as a fallback for a trained one.
 * The features are float32, as a model sees them, without those that are carried. Written as `(f: {
 * amount: number }) => …`, the compiler checks that the score step has them.
 *
 * If it throws, its event has no score, `SCORE_FAILED`; if it returns a number that is not finite,
 * `SCORE_NOT_FINITE`. Its SHA-256, in `tidemark-model`, is that of its source.
 */
export function rule<P = Anything, const O extends string = string>(
  o: {
    /** The names of its outputs: `s.score.probability`. */
    outputs: readonly O[]
    /** @default '1' */
    version?: string
  },
  compute: (features: P) => Readonly<Record<NoInfer<O>, number>>,
): ModelRule<P, O> {
  const { outputs, version = '1' } = o
  const made: ModelRule<P, O> & RuleDefinition = Object.freeze({
    outputs: Object.freeze([...outputs]),
    version,
    of: compute as RuleDefinition['of'],
  })
  return made
}

/** Where an output is: see {@link ModelDefinition.outputs}. */
export type OutputDefinition =
  | { readonly tensor: string; readonly column: number; readonly columns?: never }
  | { readonly tensor: string; readonly columns: readonly string[]; readonly column?: never }

export interface OutputShape {
  readonly columns?: readonly string[]
}

export type ScoringModel = ModelDefinition | RuleDefinition

/** An ONNX model and its file. */
export interface ModelDefinition<
  F extends readonly string[] = readonly string[],
  O = Readonly<Record<string, OutputDefinition>>,
> {
  /** Outputs are marked with `name@version`. */
  readonly name: string
  readonly version: string
  /**
   * A file; `https:`, one file of at most 1 GB; or a model that is registered in MLflow:
   * `models:/card-fraud/7`, `models:/card-fraud@production`.
   */
  readonly file: URL
  /**
   * SHA-256 of the file, in lower-case hex; with weights in other files, of all in their order.
   * @default any, which only a model in MLflow may have; outputs are then marked `name@version+` and
   * the first 8 digits
   */
  readonly sha256?: string | undefined
  /**
   * Name of the input tensor, [N, features]; or of several, each with the features that are its
   * columns: `{ amount: ['amount'], place: ['lat', 'lon'] }`. Of float32, float64, int32, int64 or
   * bool, as the file says. A feature is float32 all the same. One that is not whole, is beyond
   * ±2^24, is not 0 or 1 for a bool, or is missing, has no score: `SCORE_FAILED`.
   */
  readonly input: string | Readonly<Record<string, readonly string[]>>
  /** Names of the features, in order: the columns of the one input tensor. */
  readonly features: F
  /**
   * Where each output is: in a tensor [N] or [N, columns] of float32, float64, int32, int64 or
   * bool. `p: { tensor, column: 1 }` is one number, `s.score.p`, in the column of that index, from
   * 0. `risk: { tensor, columns: ['low', 'high'] }` names all columns in order, `s.score.risk.low`.
   * An int64 beyond ±(2^53 − 1) is not exact: its event is a dead letter `SCORE_NOT_FINITE`.
   */
  readonly outputs: O
  /**
   * A file of rows with their expected outputs. Each start checks that the model reproduces them to
   * within 1e-5 of their size. @default none
   */
  readonly golden?: URL
  /** A wrong statement is refused at start: `TOPOLOGY_INVALID`. @default not stated */
  readonly accuracy?: StatedAccuracy
}

export interface RuleDefinition {
  readonly version: string
  readonly outputs: readonly string[]
  readonly of: (features: Readonly<Record<string, number>>) => Readonly<Record<string, number>>
}

export function isRule(model: ScoringModel): model is RuleDefinition {
  return 'of' in model
}

export function isTrained(model: ScoringModel): model is ModelDefinition {
  return !isRule(model)
}

export function outputsOf(model: ScoringModel): Readonly<Record<string, OutputShape>> {
  return isRule(model) ? Object.fromEntries(model.outputs.map((o) => [o, {}])) : model.outputs
}

/** Whether an output that is one number is a probability, as its name says. */
export function isProbability(output: string): boolean {
  return /prob/i.test(output)
}

/**
 * How sure a score is: of a probability p `max(p, 1 − p)`, of classes the largest number.
 * @param columns of the output; `null`: it is one number @returns `null`: it is not a probability
 */
export function confidenceOf(
  output: { readonly name: string; readonly columns: readonly string[] | null },
  scores: readonly number[],
): number | null {
  if (output.columns !== null) return Math.max(...scores)
  const [score] = scores as [number]
  return isProbability(output.name) ? Math.max(score, 1 - score) : null
}

export function modelDefinition(model: Model<readonly string[], unknown>): ModelDefinition {
  return model as Model<readonly string[], unknown> & ModelDefinition
}

/** Whether higher values of a measure are better. */
const IS_RISING = { auc: true, accuracy: true, macroF1: true, mae: false, rmse: false }

export type Measure = keyof typeof IS_RISING

/**
 * How accurate a model is, by one measure: `auc` (area under the ROC curve), `accuracy` (share of
 * rows whose class is predicted), `macroF1` (mean of F1 over the classes), each 0 to 1; `mae` (mean
 * absolute error) or `rmse` (root of the mean square error), in the unit of the prediction.
 * `rows` is how many labelled rows it was measured on. `tidemark model evaluate` measures it.
 */
export type StatedAccuracy = {
  [M in Measure]: { readonly [N in M]: number } & {
    readonly [N in Exclude<Measure, M>]?: never
  } & { readonly rows: number }
}[Measure]

const NAMES = Object.keys(IS_RISING) as Measure[]

export function measureOf(accuracy: StatedAccuracy): { measure: Measure; value: number } {
  const measure = NAMES.find((name) => accuracy[name] !== undefined) as Measure
  return { measure, value: accuracy[measure] as number }
}

export function isAtLeast(accuracy: StatedAccuracy, least: number): boolean {
  const { measure, value } = measureOf(accuracy)
  return IS_RISING[measure] ? value >= least : value <= least
}

/** Sorts accuracies of one measure, the best first. */
export function byAccuracy(a: StatedAccuracy, b: StatedAccuracy): number {
  const { measure, value } = measureOf(a)
  const difference = measureOf(b).value - value
  return IS_RISING[measure] ? difference : -difference
}

/** Why a stated accuracy is refused; `null`: it is not. */
export function accuracyFault(stated: StatedAccuracy): string | null {
  if (typeof stated !== 'object' || stated === null) {
    return `accuracy must be an object such as { auc: 0.9, rows: 20_000 }, got ${JSON.stringify(stated)}`
  }
  const unknown = Object.keys(stated).find(
    (name) => name !== 'rows' && !Object.hasOwn(IS_RISING, name),
  )
  if (unknown !== undefined)
    return `accuracy has no "${unknown}": it is one of ${NAMES.join(', ')}, and rows`
  const measures = NAMES.filter((name) => stated[name] !== undefined)
  if (measures.length !== 1) {
    return `accuracy must be stated by one of ${NAMES.join(', ')}, got ${measures.join(' and ') || 'none'}`
  }
  const { measure, value } = measureOf(stated)
  const most = IS_RISING[measure] ? 1 : Number.MAX_VALUE
  if (!(typeof value === 'number' && value >= 0 && value <= most)) {
    return `accuracy.${measure} must be a number from 0${most === 1 ? ' to 1' : ' on'}, got ${JSON.stringify(value)}`
  }
  if (!(Number.isSafeInteger(stated.rows) && stated.rows > 0)) {
    return `accuracy.rows must be a whole number above 0, got ${JSON.stringify(stated.rows)}`
  }
  return null
}
