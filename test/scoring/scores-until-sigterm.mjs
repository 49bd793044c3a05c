// Keeps a threaded scorer busy until SIGTERM, then closes it under load. Run with --import tsx.
import { readFileSync } from 'node:fs'
import { BatchScorer } from '../../src/scoring/batch-scorer.ts'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'

const bytes = readFileSync(new URL('../../topologies/models/card-gbdt.onnx', import.meta.url))
const reading = {
  input: 'features',
  outputs: { probability: { tensor: 'probability', column: 0 } },
}
const runner = await ThreadRunner.start('m@1', { bytes, reading })
const identity = { name: 'm', label: 'm@1', sha256: '', features: 13, columns: 1 }
const scorer = new BatchScorer(identity, [{ rows: 2048, runner }])

const COUNT = 4096
const rows = Float32Array.from({ length: COUNT * 13 }, (_, i) => (i * 7919) % 1013)
let started = 0
let scored = 0
const stopping = new AbortController()

async function scoreUntilStopped() {
  while (!stopping.signal.aborted) {
    started++
    await scorer.score(rows, COUNT)
    scored++
    if (scored === 10) console.log('busy')
  }
}

async function close() {
  stopping.abort()
  await scorer.close()
  console.log(`closed after ${scored} of ${started}`)
}

process.once('SIGTERM', () => void close())
await Promise.all([scoreUntilStopped(), scoreUntilStopped(), scoreUntilStopped()])
