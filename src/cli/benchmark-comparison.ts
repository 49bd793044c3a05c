import { basename } from 'node:path'
import type { Benchmark } from '../scoring/benchmark.ts'
import { measureOf, type StatedAccuracy } from '../topology/models.ts'
import { count } from './print.ts'
import { shownMs } from './stage-report.ts'
import { table } from './table.ts'

/** Rows of the batches whose time is shown, besides the largest. */
const SHOWN = [1, 32]
const MEGABYTE = 1_000_000
/** Of a model for which it is not known. */
const UNKNOWN = '–'

/** What is compared of a model. */
export interface Measured extends Benchmark {
  readonly file: string
  /** Of the ONNX file. */
  readonly bytes: number
  /** As its definition states it. */
  readonly accuracy: StatedAccuracy | null
}

/** Lines of a table with a row for each model. */
export function comparison(all: readonly Measured[]): string[] {
  const ms = SHOWN.map((rows) => (rows === 1 ? 'ms for 1 row' : `for ${rows}`))
  return table([
    ['model', 'computed by', ...ms, 'for the largest', 'rows/s at best', 'MB', 'accuracy'],
    ...all.map(rowOf),
  ])
}

function rowOf(of: Measured): string[] {
  const { file, evaluator, batches, bestBatch, largestBatch, bytes, accuracy } = of
  const batchOf = (rows: number) => batches.find((batch) => batch.rows === rows)
  const msOf = (rows: number) => {
    const batch = batchOf(rows)
    return batch === undefined ? UNKNOWN : shownMs(batch.p50Ms)
  }
  return [
    basename(file),
    evaluator.by === 'trees' ? 'its trees' : 'ONNX Runtime',
    ...SHOWN.map(msOf),
    `${msOf(largestBatch)} of ${count(largestBatch)}`,
    count(Math.round(batchOf(bestBatch)?.rowsPerSecond ?? 0)),
    (bytes / MEGABYTE).toFixed(1),
    accuracy === null ? UNKNOWN : shownAccuracy(accuracy),
  ]
}

function shownAccuracy(accuracy: StatedAccuracy): string {
  const { measure, value } = measureOf(accuracy)
  return `${measure} ${value} on ${count(accuracy.rows)}`
}
