import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { modelOfFile } from '../host/model-of-file.ts'
import type { Config } from '../host/settings.ts'
import { formatDuration } from '../kernel/time.ts'
import { grouped, plural, shownMs, table } from '../kernel/wording.ts'
import { type Benchmark, benchmark } from '../scoring/benchmark.ts'
import type { EvaluatorChoice } from '../scoring/load-model.ts'
import { shownEvaluator, shownProvider } from '../scoring/scorer.ts'
import { measureOf, type StatedAccuracy } from '../topology/models.ts'
import { numberParser } from './arguments.ts'
import { addSettings, readConfig } from './config.ts'
import { bar, sayNotes, write } from './print.ts'

interface Flags extends Record<string, unknown> {
  readonly evaluator: EvaluatorChoice | 'both'
  readonly latencyBudget: number
  readonly json?: boolean
}

export interface FileBenchmark extends Benchmark {
  readonly file: string
  readonly bytes: number
  readonly accuracy: StatedAccuracy | null
  readonly latencyBudgetMs: number
}

export function modelBenchmark(): Command {
  const command = new Command('benchmark')
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
    .option(
      '--latency-budget <ms>',
      'the longest that one batch may take',
      numberParser('a number of milliseconds above 0', (ms) => ms > 0),
      50,
    )
    .option('--json', 'write JSON')
    .action(async (files: string[], flags: Flags) => {
      const { providers } = readConfig(['providers'], flags)
      const all: FileBenchmark[] = []
      for (const file of files) {
        for (const measured of await benchmarksOf(file, { ...flags, providers })) {
          all.push(measured)
          if (flags.json !== true) await write(describeBenchmark(measured))
        }
      }
      if (flags.json === true) await write(`${JSON.stringify(all.map(plain), null, 2)}\n`)
      else if (all.length > 1) await write(`\n${comparison(all).join('\n')}\n`)
    })
  return addSettings(command, ['providers'])
}

async function benchmarksOf(
  file: string,
  { evaluator, latencyBudget, providers }: Flags & Config<'providers'>,
): Promise<FileBenchmark[]> {
  const model = await modelOfFile(file)
  const { size: bytes } = statSync(model.file)
  const { accuracy = null } = model
  const measured = async (by: EvaluatorChoice) => {
    const choice = { evaluator: by, providers, latencyBudgetMs: latencyBudget }
    const result = await benchmark(model, choice)
    sayNotes(result.notes)
    return { file, bytes, accuracy, latencyBudgetMs: latencyBudget, ...result }
  }
  if (evaluator !== 'both') return [await measured(evaluator)]
  const first = await measured('auto')
  return first.evaluator.by === 'onnxruntime' ? [first] : [first, await measured('onnxruntime')]
}

function plain(result: FileBenchmark) {
  const { notes: _, evaluator, ...rest } = result
  const provider = evaluator.by === 'onnxruntime' ? { provider: evaluator.provider } : {}
  return { ...rest, evaluator: evaluator.by, ...provider }
}

function describeBenchmark(result: FileBenchmark): string {
  const { file, evaluator, batches, bestBatch, largestBatch, latencyBudgetMs } = result
  const fastest = Math.max(...batches.map(({ rowsPerSecond }) => rowsPerSecond))
  const lines = table(
    [
      ['batch', 'runs', 'avg ms', 'p50', 'p95', 'p99', 'rows/s'],
      ...batches.map((batch) => [
        grouped(batch.rows).padStart(5),
        grouped(batch.runs),
        ...[batch.avgMs, batch.p50Ms, batch.p95Ms, batch.p99Ms].map(shownMs),
        grouped(Math.round(batch.rowsPerSecond)),
      ]),
    ],
    [
      '',
      ...batches.map(({ rows, rowsPerSecond }) =>
        rows === bestBatch ? `${bar(rowsPerSecond / fastest)}  best` : bar(rowsPerSecond / fastest),
      ),
    ],
  )
  const most = `at most ${plural(largestBatch, 'row')} a batch`
  const within = `latency budget ${formatDuration(latencyBudgetMs)}`
  const head = `${basename(file)}  by ${shownEvaluator(evaluator)}  ${most}, ${within}`
  return `${[head, ...lines].join('\n')}\n`
}

/** Sizes of the batches whose time is shown, besides the largest. */
const SHOWN = [1, 32]
const MEGABYTE = 1_000_000
const UNKNOWN = '–'

export function comparison(all: readonly FileBenchmark[]): string[] {
  const ms = SHOWN.map((rows) => (rows === 1 ? 'ms for 1 row' : `for ${rows}`))
  return table([
    ['model', 'computed by', ...ms, 'for the largest', 'rows/s at best', 'MB', 'accuracy'],
    ...all.map(rowOf),
  ])
}

function rowOf(result: FileBenchmark): string[] {
  const { file, evaluator, batches, bestBatch, largestBatch, bytes, accuracy } = result
  const batchOf = (rows: number) => batches.find((batch) => batch.rows === rows)
  const msOf = (rows: number) => {
    const batch = batchOf(rows)
    return batch === undefined ? UNKNOWN : shownMs(batch.p50Ms)
  }
  return [
    basename(file),
    evaluator.by === 'onnxruntime' ? shownProvider(evaluator.provider) : 'its trees',
    ...SHOWN.map(msOf),
    `${msOf(largestBatch)} of ${grouped(largestBatch)}`,
    grouped(Math.round(batchOf(bestBatch)?.rowsPerSecond ?? 0)),
    (bytes / MEGABYTE).toFixed(1),
    accuracy === null ? UNKNOWN : shownAccuracy(accuracy),
  ]
}

function shownAccuracy(accuracy: StatedAccuracy): string {
  const { measure, value } = measureOf(accuracy)
  return `${measure} ${value} on ${grouped(accuracy.rows)}`
}
