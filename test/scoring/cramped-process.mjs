// Scores rows of 4 MB each in a process whose memory has been limited. Run with --import tsx.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { BatchScorer } from '../../src/scoring/batch-scorer.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'

const [file] = process.argv.slice(2)
const reading = { input: 'features', outputs: { score: { tensor: 'score', column: 0 } } }
const session = await OnnxSession.load(readFileSync(file), reading)
const runner = {
  run: (rows, count) => session.run(rows, count),
  close: () => session.close(),
}
const identity = { label: 'expand@1', features: 2, columns: 1 }
const cost = { baseMs: 0, rowMs: 1 }
const scorer = new BatchScorer(identity, [{ runner, rows: 2048, cost }])
const kib = Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
execFileSync('prlimit', ['--pid', process.pid, `--as=${(kib + 150 * 1024) * 1024}`])
const rows = Float32Array.from({ length: 128 }, (_, i) => i)
for (let batch = 0; batch < 2; batch++) {
  const { columns, failed } = await scorer.score(rows, 64)
  console.log(JSON.stringify({ failed: failed.size, scores: [...columns[0]] }))
}
await scorer.close()
