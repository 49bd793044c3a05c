import { grouped, table } from '../kernel/wording.ts'
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
import { BAR_WIDTH, bar } from './print.ts'

export interface EvaluationReport {
  readonly file: string
  readonly output: string
  readonly label: string
  readonly unscored: number
  readonly result: Evaluation
}

export function plainEvaluation({ result: evaluation, ...rest }: EvaluationReport) {
  return { ...rest, evaluation, accuracy: viewOf(evaluation).stated }
}

/** An evaluation for people; its last line can be pasted into a `.model.ts`. */
export function describeEvaluation(report: EvaluationReport): string {
  const { file, output, label, unscored, result } = report
  const left = unscored === 0 ? '' : `, ${grouped(unscored)} without a finite score left out`
  const { task, stated, facts, table: rows } = viewOf(result)
  const lines = [
    `${file}  ${output} against ${label}, ${task}`,
    ...aligned([['rows', `${grouped(result.rows)}${left}`], ...facts]),
    ...(rows.length === 0 ? [] : ['', ...rows]),
    ...(stated === null ? [] : ['', `accuracy: ${accuracySource(stated)},`]),
  ]
  return `${lines.join('\n')}\n`
}

type Fact = readonly [name: string, value: string]

interface View {
  readonly task: string
  /** The accuracy that a `.model.ts` states; `null`: all labels are the same. */
  readonly stated: StatedAccuracy | null
  readonly facts: readonly Fact[]
  readonly table: readonly string[]
}

function viewOf(result: Evaluation): View {
  if (result.task === 'binary') return binaryView(result)
  return result.task === 'classes' ? classView(result) : regressionView(result)
}

function binaryView({ rows, positives, auc, probability }: BinaryResult): View {
  const isUnknown = Number.isNaN(auc)
  return {
    task: 'binary',
    stated: isUnknown ? null : { auc: rounded(auc), rows },
    facts: [
      ['positive', `${grouped(positives)}, ${((positives / rows) * 100).toFixed(2)} %`],
      ['AUC', isUnknown ? 'none: all rows have the same label' : shown(auc)],
      ...probabilityFacts(probability),
    ],
    table: probability === null ? [] : calibrationTable(probability.calibration),
  }
}

function probabilityFacts(probability: ProbabilityResult | null): Fact[] {
  if (probability === null) return [['log loss', 'none: scores are not between 0 and 1']]
  return [
    ['log loss', shown(probability.logLoss)],
    ['Brier score', shown(probability.brier)],
    ['accuracy', `${shown(probability.accuracy)}, positive from ${POSITIVE_FROM} on`],
  ]
}

function classView({ rows, accuracy, macroF1, logLoss, ...counts }: ClassResult): View {
  return {
    task: 'several classes',
    stated: { macroF1: rounded(macroF1), rows },
    facts: [
      ['accuracy', shown(accuracy)],
      ['macro F1', shown(macroF1)],
      ['log loss', logLoss === null ? 'none: scores are no probabilities' : shown(logLoss)],
    ],
    table: table([
      ['label, predicted:', ...counts.classes],
      ...counts.confusion.map((row, i) => [counts.classes[i] as string, ...row.map(grouped)]),
    ]),
  }
}

function regressionView({ rows, mae, rmse, r2 }: RegressionResult): View {
  return {
    task: 'regression',
    stated: { rmse: rounded(rmse), rows },
    facts: [
      ['MAE', shown(mae)],
      ['RMSE', shown(rmse)],
      ['R²', Number.isNaN(r2) ? 'none: all labels are equal' : shown(r2)],
    ],
    table: [],
  }
}

function aligned(facts: readonly Fact[]): string[] {
  const width = Math.max(...facts.map(([name]) => name.length))
  return facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
}

function calibrationTable(bins: readonly CalibrationBin[]): string[] {
  return table(
    [
      ['predicted', 'rows', 'mean', 'positive'],
      ...bins.map(({ from, to, rows, meanScore, positiveShare }) => [
        `${from.toFixed(1)} to ${to.toFixed(1)}`,
        grouped(rows),
        ...(rows === 0 ? ['', ''] : [meanScore.toFixed(4), positiveShare.toFixed(4)]),
      ]),
    ],
    [
      'bar: positive, │: mean of the predictions',
      ...bins.map((bin) => (bin.rows === 0 ? '' : calibrationBar(bin))),
    ],
  )
}

/** The bar ends at the mark if the model is calibrated. */
function calibrationBar({ meanScore, positiveShare }: CalibrationBin): string {
  const line = bar(positiveShare).padEnd(BAR_WIDTH + 1)
  const mark = Math.round(meanScore * BAR_WIDTH)
  return `${line.slice(0, mark)}│${line.slice(mark + 1)}`
}

function rounded(x: number): number {
  return Number(x.toPrecision(4))
}

function shown(x: number): string {
  return Math.abs(x) < 1_000 ? String(rounded(x)) : grouped(rounded(x))
}
