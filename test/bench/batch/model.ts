import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { DuckDb, sqlText } from '../../../src/connect/files/duckdb.ts'

// A model over rows of Parquet, by `tidemark batch --model` and by a loop in Python, alternating:
//   npx tsx --conditions tidemark-source test/bench/batch/model.ts --python VENV/bin/python [--rows 5000000] [--rounds 3]

const MODEL = 'topologies/models/card-gbdt'
const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    rows: { type: 'string', default: '5000000' },
    rounds: { type: 'string', default: '3' },
  },
})
const { python = 'python3' } = values
const rows = Number(values.rows)
const run = promisify(execFile)
/** Time and peak memory of a command, by the kernel. */
const TIMED = `import json, resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_024}))`

async function measured(command: readonly string[]) {
  const { stdout } = await run(python, ['-c', TIMED, ...command])
  const { seconds, megabytes } = JSON.parse(stdout) as { seconds: number; megabytes: number }
  return { rowsPerSecond: Math.round(rows / seconds), megabytes: Math.round(megabytes) }
}

/** Columns as W1 has them: 13 features, float32, between others. */
async function writeRows(path: string, folder: string): Promise<void> {
  const money = (most: number, name: string) => `round(random() * ${most}, 2)::FLOAT AS ${name}`
  const count = (most: number, name: string) => `floor(random() * ${most})::FLOAT AS ${name}`
  const features = [
    ...[money(200, 'amount'), money(5_000, '"secondsSincePrevious"'), count(4, 'count5m')],
    ...[money(100, 'sum5m'), money(100, 'mean5m'), count(4, 'categories5m'), count(9, 'count1h')],
    ...[money(500, 'sum1h'), money(200, 'max1h'), count(6, 'merchants1h'), count(40, 'count24h')],
    ...[money(3_000, 'sum24h'), money(80, 'std24h')],
  ]
  const others = `'p-' || i AS "paymentId", 'c-' || (i * 7919 % 100000) AS "cardId", 1767225600000 + i * 100 AS "eventTime"`
  const duckdb = await DuckDb.open(folder)
  await duckdb.run(
    `COPY (SELECT ${others}, ${features.join(', ')} FROM range(${rows}) t(i)) TO ${sqlText(path)} (FORMAT parquet)`,
  )
  duckdb.close()
}

const folder = await mkdtemp(join(tmpdir(), 'tidemark-model-'))
try {
  const [input, output] = [join(folder, 'rows.parquet'), join(folder, 'out')]
  await writeRows(input, folder)
  const batch = [process.execPath, 'src/cli/bin.js', 'batch', '--model', `${MODEL}.model.ts`]
  const flags = ['--input', input, '--output', output, '--format', 'parquet', '--overwrite']
  const loop = [python, 'test/bench/batch/model.py', `${MODEL}.onnx`, `${MODEL}.golden.json`]
  for (let round = 0; round < Number(values.rounds); round++) {
    const ours = await measured([...batch, ...flags])
    const theirs = await measured([...loop, input, join(folder, 'loop.parquet')])
    const ratio = Number((ours.rowsPerSecond / theirs.rowsPerSecond).toFixed(2))
    process.stdout.write(`${JSON.stringify({ rows, tidemark: ours, python: theirs, ratio })}\n`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
