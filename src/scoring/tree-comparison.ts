import { softmax } from '../trees/evaluator.ts'
import { EXP_INPUT, EXP_OUTPUT, expModel, hardArguments } from '../trees/float32.ts'
import { hardRows, pathRows } from '../trees/probe-rows.ts'
import { OnnxSession } from './onnx-session.ts'
import type { Runner } from './runner.ts'
import type { TreeRunner } from './tree-runner.ts'

const ROWS = 20_000
/** The most branches that get rows of their own. */
const MOST_BRANCHES = 10_000
const BATCH = 1_000

const TIMED_ROWS = 256
/**
 * How long, ms, and how often the trees may try to be as fast once: they are compiled meanwhile, on
 * a busy machine later than this time.
 */
const TIMED_MS = 100
const TIMED_RUNS = 30

/** `null`: the trees are not slower. Only the fastest runs count: others may have waited. */
export async function slownessBeside(runner: Runner, trees: TreeRunner): Promise<string | null> {
  const { ensemble, features } = trees.model
  const seen = hardRows(ensemble.trees, { width: features.length, atLeast: TIMED_ROWS })
  const some = seen.subarray(0, TIMED_ROWS * features.length)
  const rows = modelRows(some, features, trees.width)
  let [ours, theirs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const startMs = performance.now()
  for (let run = 0; run < TIMED_RUNS || performance.now() - startMs < TIMED_MS; run++) {
    ours = Math.min(ours, await rowUs(trees, rows))
    theirs = Math.min(theirs, await rowUs(runner, rows))
    if (ours <= theirs) return null
  }
  return `slower: ${ours.toFixed(1)} µs a row, ONNX Runtime takes ${theirs.toFixed(1)}`
}

async function rowUs(runner: Pick<Runner, 'run'>, rows: Float32Array): Promise<number> {
  const startMs = performance.now()
  await runner.run(rows, TIMED_ROWS)
  return ((performance.now() - startMs) * 1_000) / TIMED_ROWS
}

/**
 * `null`: no bit differs, on every value that a tree compares with, its neighbours, NaN, zeros and
 * infinities, and on rows that reach each branch.
 */
export async function differenceFrom(runner: Runner, trees: TreeRunner): Promise<string | null> {
  const { ensemble, features } = trees.model
  if (ensemble.transform !== 'none' && !(await isExpTheSame())) {
    return "exp of this machine's C library differs in its last bits"
  }
  const { trees: roots } = ensemble
  const width = features.length
  const seen = [
    hardRows(roots, { width, atLeast: ROWS }),
    pathRows(roots, { width, most: MOST_BRANCHES }),
  ]
  for (const some of seen) {
    const different = await differentIn(modelRows(some, features, trees.width), runner, trees)
    if (different !== null) return different
  }
  return null
}

async function differentIn(rows: Float32Array, runner: Runner, trees: TreeRunner) {
  const count = rows.length / trees.width
  let different = 0
  for (let from = 0; from < count; from += BATCH) {
    const upTo = Math.min(count, from + BATCH)
    const batch = rows.subarray(from * trees.width, upTo * trees.width)
    const theirs = await runner.run(batch, upTo - from)
    const ours = await trees.run(batch, upTo - from)
    for (let row = 0; row < upTo - from; row++) {
      if (!theirs.every((column, c) => Object.is(column[row], ours[c]?.[row]))) different++
    }
  }
  return different === 0 ? null : `different bits on ${different} of ${count} rows`
}

/** Compares the arguments that are hardest to round. */
async function isExpTheSame(): Promise<boolean> {
  const outputs = { score: { tensor: EXP_OUTPUT, columns: ['exp', 'rest'] } }
  const session = await OnnxSession.load(expModel(), { input: EXP_INPUT, outputs })
  const rows = hardArguments()
  const theirs = await session.run(rows, rows.length)
  await session.close()
  return rows.every((argument, row) => {
    const ours = Float32Array.of(argument, 0)
    softmax(ours, ours.length)
    return ours.every((score, c) => Object.is(score, Math.fround(theirs[c]?.[row] as number)))
  })
}

/** Adds the model's features that no tree uses, as 0. */
function modelRows(seen: Float32Array, features: readonly number[], width: number): Float32Array {
  const count = seen.length / features.length
  const rows = new Float32Array(count * width)
  for (let row = 0; row < count; row++) {
    for (const [f, feature] of features.entries()) {
      rows[row * width + feature] = seen[row * features.length + f] as number
    }
  }
  return rows
}
