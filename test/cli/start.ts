import { onTestFinished } from 'vitest'
import { type Running, type SpawnOptions, startTidemark } from '../services/tidemark.ts'

/** Starts `tidemark ARGS`; it does not outlive the test, however that ends. */
export function start(args: readonly string[], options?: SpawnOptions): Running {
  const running = startTidemark(args, options)
  onTestFinished(() => {
    running.process.kill('SIGKILL')
  })
  return running
}
