// Ends while a model hangs: hangs.mjs EXIT-CODE at-the-end|by-signals, or hangs.mjs CODE
// by-an-error. Run with --import tsx.
import { readFileSync } from 'node:fs'
import { endProcess, failWith, untilSignal } from '../../src/cli/exit.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'

const [code, how] = process.argv.slice(2)
const bytes = readFileSync(new URL('../fixtures/models/hangs.onnx', import.meta.url))
const outputs = { score: { tensor: 'score', column: 0 } }
const runner = await ThreadRunner.start('hangs@1', {
  bytes,
  reading: { input: 'features', outputs },
})
void runner.run(Float32Array.of(1e12, 0), 1)
await runner.close()
process.once('exit', (exitCode) => console.log(`handlers ran for ${exitCode}`))
if (how === 'at-the-end') {
  process.exitCode = Number(code)
  endProcess()
} else if (how === 'by-an-error') {
  process.exitCode = failWith(new TidemarkError(code, 'x'))
  endProcess()
} else {
  untilSignal()
  for (const signal of ['SIGTERM', 'SIGTERM']) process.emit(signal, signal)
}
setInterval(() => {}, 1_000)
