import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { formatDuration } from '../kernel/time.ts'
import { benchmark } from '../scoring/benchmark.ts'
import type { EvaluatorChoice } from '../scoring/load-model.ts'
import { shownEvaluator } from '../scoring/scorer.ts'
import { bar } from './bar.ts'
import { comparison, type Measured } from './benchmark-comparison.ts'
import { modelOfFile } from './model-of-file.ts'
import { write } from './output.ts'
import { count, plural, sayNotes } from './print.ts'
import { shownMs } from './stage-report.ts'
import { table } from './table.ts'

interface Flags {
  readonly evaluator: EvaluatorChoice | 'both'
  readonly latencyBudget: number
  readonly json?: boolean
}

interface OfFile extends Measured {
  readonly latencyBudgetMs: number
}

/** `tidemark model benchmark FILE…` */
export function modelBenchmark(): Command {
  return new Command('benchmark')
    .description(
      'measure how long a worker takes for batches of a model, and which batch size is best; compares several models',
    )
    .argument(
      '<files...>',
      'ONNX models, each with the .golden.json of its name if that exists, or definitions, .model.ts',
    )
    .addOption(
      new Option(
        '--evaluator <who>',
        'what computes the model: auto as in a worker, onnxruntime, or both one after the other',
      )
        .choices(['auto', 'onnxruntime', 'both'])
        .default('auto'),
    )
    .addOption(
      new Option('--latency-budget <ms>', 'the longest that one batch may take')
        .argParser(milliseconds)
        .default(50),
    )
    .option('--json', 'write JSON')
    .action(async (files: string[], flags: Flags) => {
      const all: OfFile[] = []
      for (const file of files) {
        for (const measured of await benchmarksOf(file, flags)) {
          all.push(measured)
          if (flags.json !== true) await write(describeBenchmark(measured))
        }
      }
      if (flags.json === true) await write(`${JSON.stringify(all.map(plain), null, 2)}\n`)
      else if (all.length > 1) await write(`\n${comparison(all).join('\n')}\n`)
    })
}

async function benchmarksOf(file: string, { evaluator, latencyBudget }: Flags): Promise<OfFile[]> {
  const model = await modelOfFile(file)
  const { size: bytes } = statSync(model.file)
  const { accuracy = null } = model
  const measured = async (by: EvaluatorChoice) => {
    const of = await benchmark(model, { evaluator: by, latencyBudgetMs: latencyBudget })
    sayNotes(of.notes)
    return { file, bytes, accuracy, latencyBudgetMs: latencyBudget, ...of }
  }
  if (evaluator !== 'both') return [await measured(evaluator)]
  const first = await measured('auto')
  return first.evaluator.by === 'onnxruntime' ? [first] : [first, await measured('onnxruntime')]
}

/** What `--json` writes. */
function plain(of: OfFile) {
  const { file, bytes, accuracy, evaluator, latencyBudgetMs, largestBatch, bestBatch, batches } = of
  const what = { file, bytes, accuracy, evaluator: evaluator.by }
  return { ...what, latencyBudgetMs, largestBatch, bestBatch, batches }
}

function describeBenchmark(of: OfFile): string {
  const { file, evaluator, batches, bestBatch, largestBatch, latencyBudgetMs } = of
  const fastest = Math.max(...batches.map(({ rowsPerSecond }) => rowsPerSecond))
  const lines = table([
    ['batch', 'runs', 'avg ms', 'p50', 'p95', 'p99', 'rows/s'],
    ...batches.map((batch) => [
      count(batch.rows).padStart(5),
      count(batch.runs),
      ...[batch.avgMs, batch.p50Ms, batch.p95Ms, batch.p99Ms].map(shownMs),
      count(Math.round(batch.rowsPerSecond)),
    ]),
  ])
  const plotted = lines.map((line, i) => {
    const batch = batches[i - 1]
    if (batch === undefined) return line
    const best = batch.rows === bestBatch ? '  best' : ''
    return `${line}  ${bar(batch.rowsPerSecond / fastest)}${best}`
  })
  const most = `at most ${plural(largestBatch, 'row')} a batch`
  const within = `latency budget ${formatDuration(latencyBudgetMs)}`
  const head = `${basename(file)}  by ${shownEvaluator(evaluator)}  ${most}, ${within}`
  return `${[head, ...plotted].join('\n')}\n`
}

function milliseconds(text: string): number {
  const ms = Number(text)
  if (!(ms > 0)) throw new InvalidArgumentError('must be a number of milliseconds above 0')
  return ms
}
