import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import {
  type EvaluatedOutput,
  type Evaluation,
  type EvaluationTask,
  evaluatedOutput,
  evaluatorOf,
  type OutputEvaluator,
  TASKS,
} from '../scoring/accuracy/evaluation.ts'
import { loadSingle } from '../scoring/models.ts'
import type { Scorer } from '../scoring/scorer.ts'
import { describeEvaluation, plainEvaluation, type Told } from './evaluation-report.ts'
import { type LabelledRows, type RowFormat, readRows } from './labelled-rows.ts'
import { linesOf, openInput } from './lines.ts'
import { modelOfFile } from './model-of-file.ts'
import { write } from './output.ts'
import { sayNotes } from './print.ts'
import { Progress } from './progress.ts'

/** Bad lines that are reported at once; reading ends at the last of them. */
const MOST_FAULTS = 10
/** How long a batch may take here, where nobody waits for it, ms. */
const BATCH_MS = 10_000

interface Flags {
  readonly rows: string
  readonly label: string
  readonly output?: string
  readonly task?: EvaluationTask
  readonly json?: boolean
}

/** `tidemark model evaluate FILE` */
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
    .action(async (file: string, flags: Flags) => {
      const model = await modelOfFile(file)
      const output = evaluatedOutput(model, flags.output ?? null)
      const evaluator = evaluatorOf(output, flags.task ?? null)
      const { scorer, notes } = await loadSingle(model, {
        evaluator: 'auto',
        latencyBudgetMs: BATCH_MS,
      })
      sayNotes(notes)
      try {
        const format = { ...formatOf(flags, evaluator), features: model.features }
        const unscored = await addRows({ scorer, output, evaluator }, format)
        const { result } = evaluator
        refuseIfNothing(result, flags.rows)
        sayNotes(evaluator.notes)
        const told = { file: basename(file), output: output.name, label: flags.label, unscored }
        await write(textOf({ ...told, result }, flags.json === true))
      } finally {
        await scorer.close()
      }
    })
}

function formatOf(
  { rows: file, label }: Flags,
  evaluator: OutputEvaluator,
): Omit<RowFormat, 'features'> {
  return { file, label, labelFault: (of) => evaluator.labelFault(of) }
}

interface Evaluating {
  readonly scorer: Scorer
  readonly output: EvaluatedOutput
  readonly evaluator: OutputEvaluator
}

/**
 * Scores all rows of a file. Returns how many the model has no finite score for; they are left out.
 *
 * @throws Refused with the invalid lines
 */
async function addRows(evaluating: Evaluating, format: RowFormat): Promise<number> {
  const input = await openInput(format.file)
  const faults: TidemarkError[] = []
  let [records, end, unscored] = [0, 0, 0]
  const progress = new Progress(() => ({ records, share: input.shareAt(end) }))
  try {
    for await (const lines of linesOf(input.stream, format.file)) {
      const read = readRows(lines, format, faults)
      if (faults.length >= MOST_FAULTS) break
      unscored += await addScores(evaluating, read)
      records += read.count
      end = lines.at(-1)?.end ?? end
    }
  } finally {
    progress.end()
  }
  refuseIfAny(faults.slice(0, MOST_FAULTS))
  return unscored
}

async function addScores(
  { scorer, output, evaluator }: Evaluating,
  { rows, labels, count }: LabelledRows,
): Promise<number> {
  const answer = await scorer.score(rows, count)
  const columns = output.columns.map((at) => answer.columns[at] as Float64Array)
  let unscored = 0
  for (const [row, label] of labels.entries()) {
    const scores = columns.map((column) => column[row] as number)
    if (scores.every(Number.isFinite)) evaluator.add(scores, label)
    else unscored++
  }
  return unscored
}

function refuseIfNothing({ rows }: Evaluation, where: string): void {
  if (rows > 0) return
  throw new TidemarkError('CONFIG_INVALID', 'there are no rows that the model scores', { where })
}

function textOf(told: Told, isJson: boolean): string {
  return isJson ? `${JSON.stringify(plainEvaluation(told), null, 2)}\n` : describeEvaluation(told)
}
