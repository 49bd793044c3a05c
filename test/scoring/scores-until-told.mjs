// Keeps a threaded scorer busy until SIGTERM, then closes it in the midst of it. Run with --import tsx.
import { readFileSync } from 'node:fs'
import { BatchScorer } from '../../src/scoring/batch-scorer.ts'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'

const bytes = readFileSync(new URL('../../topologies/models/card-gbdt.onnx', import.meta.url))
const reading = {
  input: 'features',
  outputs: { probability: { tensor: 'probability', column: 0 } },
}
const runner = await ThreadRunner.start({ bytes, reading, sortBy: null })
const identity = { name: 'm', label: 'm@1', sha256: '', features: 13, columns: 1 }
const scorer = new BatchScorer(identity, [{ rows: 2048, runner }])

const COUNT = 4096
const rows = Float32Array.from({ length: COUNT * 13 }, (_, i) => (i * 7919) % 1013)
let given = 0
let scored = 0
const told = new AbortController()

async function scoreUntilTold() {
  while (!told.signal.aborted) {
    given++
    await scorer.score(rows, COUNT)
    scored++
    if (scored === 10) console.log('busy')
  }
}

async function close() {
  told.abort()
  await scorer.close()
  console.log(`closed after ${scored} of ${given}`)
}

process.once('SIGTERM', () => void close())
await Promise.all([scoreUntilTold(), scoreUntilTold(), scoreUntilTold()])
