import { readFileSync } from 'node:fs'
import { readGolden } from '../../src/scoring/golden.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { type Runner, readingOf } from '../../src/scoring/runner.ts'
import { TreeRunner } from '../../src/scoring/tree-runner.ts'
import { LARGEST_BATCH, sampleRows } from '../../src/scoring/warm-up.ts'
import type { Definition } from '../../src/topology/definition.ts'
import flightDelay from '../../topologies/flight-delay.ts'
import { modelOf } from '../support/score-steps.ts'
import { figure, machine } from './figures.ts'
import w1 from './topologies/w1.ts'

// Measures the cost of a row of a tree model by batch size, in the worker and in ONNX Runtime. One
// thread, interleaved, different rows in each run; the best of several rounds. One JSON line on
// stdout. npx tsx test/bench/trees.ts

const BATCHES = [1, 4, 16, 64, 512, LARGEST_BATCH]
const ROUNDS = 7
/** Approximate number of rows of a round. */
const ROWS = 8 * LARGEST_BATCH

async function nanosOf(runner: Runner, rows: Float32Array, batch: number): Promise<number> {
  const width = rows.length / LARGEST_BATCH
  const runs = Math.ceil(Math.min(ROWS, batch * 2_000) / batch)
  const start = process.cpuUsage()
  for (let run = 0, at = 0; run < runs; run++, at += batch) {
    if (at + batch > LARGEST_BATCH) at = 0
    await runner.run(rows.subarray(at * width, (at + batch) * width), batch)
  }
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1_000) / (runs * batch)
}

async function measured(definition: Definition) {
  const model = modelOf(definition)
  const bytes = readFileSync(model.file)
  const trees = TreeRunner.read(bytes, model)
  if (typeof trees === 'string') throw new Error(trees)
  const session = await OnnxSession.load(bytes, readingOf(model))
  const golden = model.golden === undefined ? null : await readGolden(model.golden, 'here')
  const rows = sampleRows(model.features.length, golden)
  const runners = { trees, onnxruntime: session }
  const nanosPerRow: Record<string, Record<string, number>> = {}
  for (const batch of BATCHES) {
    const best: Record<string, number> = {}
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, runner] of Object.entries(runners)) {
        const nanos = await nanosOf(runner, rows, batch)
        best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, nanos)
      }
    }
    nanosPerRow[batch] = Object.fromEntries(
      Object.entries(best).map(([name, nanos]) => [name, figure(nanos, 0) as number]),
    )
  }
  await session.close()
  return { trees: trees.model.ensemble.trees.length, nanosPerRow }
}

const models = { 'card-gbdt': await measured(w1), 'flight-gbdt': await measured(flightDelay) }
console.log(JSON.stringify({ models, machine: machine() }))
