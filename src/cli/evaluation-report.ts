import type { Evaluation } from '../scoring/accuracy/evaluation.ts'
import {
  type BinaryResult,
  type CalibrationBin,
  type ClassResult,
  POSITIVE_FROM,
  type ProbabilityResult,
  type RegressionResult,
} from '../scoring/accuracy/measures.ts'
import { accuracySource } from '../scoring/model-file.ts'
import type { StatedAccuracy } from '../topology/models.ts'
import { BAR_WIDTH, bar, grouped, table } from './print.ts'

export interface EvaluationReport {
  readonly file: string
  readonly output: string
  readonly label: string
  /** Rows that were left out, because the model has no finite score for them. */
  readonly unscored: number
  readonly result: Evaluation
}

/** The JSON that `--json` writes, with the accuracy as a `.model.ts` states it. */
export function plainEvaluation({ result: evaluation, ...rest }: EvaluationReport) {
  return { ...rest, evaluation, accuracy: statedOf(evaluation) }
}

/** An evaluation for people; its last line can be pasted into a `.model.ts`. */
export function describeEvaluation({
  file,
  output,
  label,
  unscored,
  result,
}: EvaluationReport): string {
  const left = unscored === 0 ? '' : `, ${grouped(unscored)} without a finite score left out`
  const accuracy = statedOf(result)
  const lines = [
    `${file}  ${output} against ${label}, ${NAMES[result.task]}`,
    ...facts([['rows', `${grouped(result.rows)}${left}`], ...factsOf(result)]),
    ...tableOf(result),
    ...(accuracy === null ? [] : ['', `accuracy: ${accuracySource(accuracy)},`]),
  ]
  return `${lines.join('\n')}\n`
}

const NAMES = {
  binary: 'binary',
  classes: 'several classes',
  regression: 'regression',
} as const

/** The accuracy that a `.model.ts` states; `null`: all labels are the same. */
function statedOf(result: Evaluation): StatedAccuracy | null {
  const { rows } = result
  switch (result.task) {
    case 'binary':
      return Number.isNaN(result.auc) ? null : { auc: rounded(result.auc), rows }
    case 'classes':
      return { macroF1: rounded(result.macroF1), rows }
    case 'regression':
      return { rmse: rounded(result.rmse), rows }
  }
}

type Fact = readonly [string, string]

function factsOf(result: Evaluation): Fact[] {
  switch (result.task) {
    case 'binary':
      return binaryFacts(result)
    case 'classes':
      return classFacts(result)
    case 'regression':
      return regressionFacts(result)
  }
}

function binaryFacts({ rows, positives, auc, probability }: BinaryResult): Fact[] {
  return [
    ['positive', `${grouped(positives)}, ${((positives / rows) * 100).toFixed(2)} %`],
    ['AUC', Number.isNaN(auc) ? 'none: all rows have the same label' : shown(auc)],
    ...probabilityFacts(probability),
  ]
}

function probabilityFacts(of: ProbabilityResult | null): Fact[] {
  if (of === null) return [['log loss', 'none: scores are not between 0 and 1']]
  return [
    ['log loss', shown(of.logLoss)],
    ['Brier score', shown(of.brier)],
    ['accuracy', `${shown(of.accuracy)}, positive from ${POSITIVE_FROM} on`],
  ]
}

function classFacts({ accuracy, macroF1, logLoss }: ClassResult): Fact[] {
  const loss = logLoss === null ? 'none: scores are no probabilities' : shown(logLoss)
  return [
    ['accuracy', shown(accuracy)],
    ['macro F1', shown(macroF1)],
    ['log loss', loss],
  ]
}

function regressionFacts({ mae, rmse, r2 }: RegressionResult): Fact[] {
  return [
    ['MAE', shown(mae)],
    ['RMSE', shown(rmse)],
    ['R²', Number.isNaN(r2) ? 'none: all labels are equal' : shown(r2)],
  ]
}

function facts(of: readonly Fact[]): string[] {
  const width = Math.max(...of.map(([name]) => name.length))
  return of.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
}

function tableOf(result: Evaluation): string[] {
  if (result.task === 'classes') return ['', ...confusionTable(result)]
  if (result.task === 'regression' || result.probability === null) return []
  return ['', ...calibrationTable(result.probability.calibration)]
}

function calibrationTable(bins: readonly CalibrationBin[]): string[] {
  const lines = table([
    ['predicted', 'rows', 'mean', 'positive'],
    ...bins.map(({ from, to, rows, meanScore, positiveShare }) => [
      `${from.toFixed(1)} to ${to.toFixed(1)}`,
      grouped(rows),
      ...(rows === 0 ? ['', ''] : [meanScore.toFixed(4), positiveShare.toFixed(4)]),
    ]),
  ])
  return lines.map((line, i) => {
    const bin = bins[i - 1]
    if (bin === undefined) return `${line}  bar: positive, │: mean of the predictions`
    return `${line}  ${bin.rows === 0 ? '' : calibrationBar(bin)}`.trimEnd()
  })
}

/** The bar ends at the mark if the model is calibrated. */
function calibrationBar({ meanScore, positiveShare }: CalibrationBin): string {
  const line = bar(positiveShare).padEnd(BAR_WIDTH + 1)
  const mark = Math.round(meanScore * BAR_WIDTH)
  return `${line.slice(0, mark)}│${line.slice(mark + 1)}`
}

function confusionTable({ classes, confusion }: ClassResult): string[] {
  return table([
    ['label, predicted:', ...classes],
    ...confusion.map((counts, i) => [classes[i] as string, ...counts.map(grouped)]),
  ])
}

function rounded(x: number): number {
  return Number(x.toPrecision(4))
}

function shown(x: number): string {
  return Math.abs(x) < 1_000 ? String(rounded(x)) : grouped(rounded(x))
}
