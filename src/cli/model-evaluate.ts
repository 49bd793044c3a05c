import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { type Line, linesOf, openInput } from '../connect/files/lines.ts'
import { modelOfFile } from '../host/model-of-file.ts'
import {
  configFault,
  messageOf,
  orFault,
  refuseIfAny,
  type TidemarkError,
} from '../kernel/errors.ts'
import { isJsonObject, valueAt } from '../kernel/json.ts'
import {
  type EvaluationTask,
  evaluatedOutput,
  evaluatorOf,
  TASKS,
} from '../scoring/accuracy/evaluation.ts'
import { loadSingle } from '../scoring/models.ts'
import { describeEvaluation, plainEvaluation } from './evaluation-report.ts'
import { sayNotes, writeResult } from './print.ts'
import { showProgress } from './progress.ts'

/** Bad lines that are reported at once; reading ends at the last of them. */
const MOST_FAULTS = 10
/** How long a batch may take where nobody waits for it, ms. */
export const BATCH_MS = 10_000
export const PATIENT = { evaluator: 'auto', latencyBudgetMs: BATCH_MS } as const

interface Flags {
  readonly rows: string
  readonly label: string
  readonly output?: string
  readonly task?: EvaluationTask
  readonly json?: boolean
}

export function modelEvaluate(): Command {
  return new Command('evaluate')
    .description('measure how accurate a model is on rows with labels')
    .argument('<file>', 'a .model.ts, or an ONNX model with a .golden.json of the same name')
    .requiredOption(
      '--rows <file>',
      'rows, one JSON object per line: the features by name, and the label; may be .gz',
    )
    .requiredOption('--label <field>', 'field of the label')
    .option('--output <name>', "the model's output, or one column of it (default: its only one)")
    .addOption(
      new Option(
        '--task <what>',
        "what the model finds out (default: by the output's columns and the labels)",
      ).choices(TASKS),
    )
    .option('--json', 'write JSON')
    .action(evaluate)
}

async function evaluate(file: string, { rows, label, ...flags }: Flags): Promise<void> {
  const model = await modelOfFile(file)
  const output = evaluatedOutput(model, flags.output ?? null)
  const evaluator = evaluatorOf(output, flags.task ?? null)
  const input = await openInput(rows)
  const { scorer, notes } = await loadSingle(model, PATIENT)
  sayNotes(notes)
  const faults: TidemarkError[] = []
  let [read, unscored] = [0, 0]
  const endProgress = showProgress(() => read)
  try {
    const labelFault = (value: unknown) => evaluator.labelFault(value)
    const format = { file: rows, label, labelFault, features: model.features }
    for await (const lines of linesOf(input, rows)) {
      const { rows: features, labels } = readRows(lines, format, faults)
      if (faults.length >= MOST_FAULTS) break
      const answer = await scorer.score(features, labels.length)
      const columns = output.columns.map((at) => answer.columns[at] as Float64Array)
      for (const [row, value] of labels.entries()) {
        const scores = columns.map((column) => column[row] as number)
        if (scores.every(Number.isFinite)) evaluator.add(scores, value)
        else unscored++
      }
      read += labels.length
    }
  } finally {
    endProgress()
    await scorer.close()
  }
  refuseIfAny(faults.slice(0, MOST_FAULTS))
  const { result } = evaluator
  if (result.rows === 0) throw configFault('there are no rows that the model scores', rows)
  sayNotes(evaluator.notes)
  const report = { file: basename(file), output: output.name, label, unscored, result }
  await writeResult(flags.json, plainEvaluation(report), describeEvaluation(report))
}

export interface RowReading {
  readonly file: string
  readonly features: readonly string[]
  readonly label: string
  readonly labelFault: (label: unknown) => string | null
}

/** One line: the features by name, at the top or in `features`, where they may also be a list. */
type Row = Readonly<Record<string, unknown>>

/**
 * Reads labels and rows, float32[labels, features], from lines of JSON. An invalid line adds a
 * `CONFIG_INVALID` to `faults`.
 */
export function readRows(lines: readonly Line[], format: RowReading, faults: TidemarkError[]) {
  const width = format.features.length
  const rows = new Float32Array(lines.length * width)
  const labels: unknown[] = []
  for (const line of lines) {
    try {
      const row = parsed(line)
      const label = labelOf(row, format)
      writeFeatures(row, format, rows.subarray(labels.length * width))
      labels.push(label)
    } catch (error) {
      const { message, hint } = orFault(error)
      faults.push(configFault(message, `${format.file}:${line.number}`, hint))
    }
  }
  return { rows, labels }
}

function parsed({ bytes }: Line): Row {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString())
  } catch (cause) {
    throw configFault(`the line is not JSON: ${messageOf(cause)}`)
  }
  if (isJsonObject(json)) return json
  throw configFault('the line is not a JSON object')
}

function labelOf(row: Row, { label: path, labelFault }: RowReading): unknown {
  const label = valueAt(row, path)
  if (label === undefined) {
    const hint = `the line has ${Object.keys(row).join(', ')}`
    throw configFault(`there is no label "${path}"`, undefined, hint)
  }
  const wrong = labelFault(label)
  if (wrong !== null) throw configFault(`label ${JSON.stringify(label)} ${wrong}`)
  return label
}

function writeFeatures(row: Row, { features }: RowReading, into: Float32Array): void {
  const { features: inside } = row
  if (Array.isArray(inside) && inside.length !== features.length) {
    throw configFault(`there are ${inside.length} features, the model takes ${features.length}`)
  }
  for (const [i, name] of features.entries()) {
    const value = Array.isArray(inside) ? inside[i] : (isJsonObject(inside) ? inside : row)[name]
    into[i] = featureOf(name, value)
  }
}

const HINT =
  'a feature without a value is null; a line may also have them as a list, in the order of the model: { "features": [1, 2], … }'

/** `null` is a missing value, NaN. */
function featureOf(name: string, value: unknown): number {
  if (value === null) return Number.NaN
  if (value === undefined) throw configFault(`there is no feature "${name}"`, undefined, HINT)
  if (typeof value !== 'number') {
    throw configFault(`feature "${name}" is ${JSON.stringify(value)}, not a number or null`)
  }
  if (Number.isFinite(Math.fround(value))) return value
  throw configFault(`feature "${name}" is ${value}, which a float32 cannot hold`)
}
