import { configFault } from '../../kernel/errors.ts'
import type { ModelDefinition } from '../../topology/models.ts'
import { scoreColumns } from '../scorer.ts'
import {
  BinaryAccuracy,
  type BinaryResult,
  ClassAccuracy,
  type ClassResult,
  RegressionAccuracy,
  type RegressionResult,
} from './measures.ts'

export const TASKS = ['binary', 'classes', 'regression'] as const
export type EvaluationTask = (typeof TASKS)[number]

export type Evaluation = BinaryResult | ClassResult | RegressionResult

export interface EvaluatedOutput {
  /** `probability`, `risk`, or `risk.low` for one of its columns. */
  readonly name: string
  /** Indices among the model's `scoreColumns`. */
  readonly columns: readonly number[]
  /** The class of each column; `null`: the output is one number. */
  readonly classes: readonly string[] | null
}

interface OutputEvaluator {
  /** Why a label cannot be used; `null`: it can. */
  labelFault(label: unknown): string | null
  /** @param scores of one row, finite @param label without a {@link labelFault} */
  add(scores: readonly number[], label: unknown): void
  readonly result: Evaluation
  readonly notes: readonly string[]
}

/** @param wanted `null`: the only output @throws TidemarkError `CONFIG_INVALID`: none or several */
export function evaluatedOutput(
  { outputs }: Pick<ModelDefinition, 'outputs'>,
  wanted: string | null,
): EvaluatedOutput {
  let next = 0
  const all = Object.entries(outputs).map(([name, { columns: classes = null }]) => {
    const columns = Array.from({ length: classes?.length ?? 1 }, () => next++)
    return { name, columns, classes }
  })
  const [only, ...more] = all
  if (wanted === null && only !== undefined && more.length === 0) return only
  const single = scoreColumns(outputs).map(({ name }, i) => ({ name, columns: [i], classes: null }))
  const output = [...all, ...single].find(({ name }) => name === wanted)
  if (output !== undefined) return output
  const message =
    wanted === null ? `the model has ${all.length} outputs` : `the model has no output "${wanted}"`
  const names = new Set([...all, ...single].map(({ name }) => name))
  const hint = `choose one with --output: ${[...names].join(', ')}`
  throw configFault(message, undefined, hint)
}

/**
 * @param task `null`: `classes` for several columns; otherwise `binary` if all labels are 0, 1,
 * true or false, else `regression` @throws TidemarkError `CONFIG_INVALID`: the output does not suit
 * it
 */
export function evaluatorOf(
  { name, classes }: EvaluatedOutput,
  task: EvaluationTask | null,
): OutputEvaluator {
  if (classes !== null && (task === null || task === 'classes')) return new ClassAccuracy(classes)
  if (classes === null && task !== 'classes') return new NumberEvaluator(task)
  const shape = classes === null ? 'one number' : `${classes.length} numbers`
  const hint =
    classes === null
      ? 'choose an output with several columns, with --output'
      : `choose one of them: --output ${name}.${classes[0]}`
  const message = `output "${name}" is ${shape}, which does not suit --task ${task}`
  throw configFault(message, undefined, hint)
}

class NumberEvaluator implements OutputEvaluator {
  readonly #task: Exclude<EvaluationTask, 'classes'> | null
  /** `null`: one label was neither positive nor negative. */
  #binary: BinaryAccuracy | null = new BinaryAccuracy()
  readonly #regression = new RegressionAccuracy()
  #rows = 0
  /** Labels other than 0, 1, true and false. */
  #others = 0
  #first: unknown = null

  constructor(task: Exclude<EvaluationTask, 'classes'> | null) {
    this.#task = task
    if (task === 'regression') this.#binary = null
  }

  labelFault(label: unknown): string | null {
    if (typeof label === 'boolean' || label === 0 || label === 1) return null
    if (this.#task === 'binary') return 'is not 0, 1, true or false'
    return typeof label === 'number' ? null : 'is not a number, true or false'
  }

  add([score]: readonly number[], label: unknown): void {
    const number = Number(label)
    this.#rows++
    if (number !== 0 && number !== 1) {
      this.#binary = null
      if (this.#others++ === 0) this.#first = label
    }
    this.#binary?.add(score as number, number === 1)
    this.#regression.add(score as number, number)
  }

  get result(): Evaluation {
    return (this.#binary ?? this.#regression).result
  }

  /** Warnings: a few stray labels must not pass for numbers that the model was to predict. */
  get notes(): readonly string[] {
    if (this.#task !== null || this.#others === 0 || 2 * this.#others > this.#rows) return []
    return [
      `measured as a regression, since ${this.#others} of ${this.#rows} labels are neither 0 nor 1, such as ${String(this.#first)}: --task binary refuses them`,
    ]
  }
}
