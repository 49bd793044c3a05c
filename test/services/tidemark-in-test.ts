import { onTestFinished } from 'vitest'
import { type Ended, type Running, type SpawnOptions, startTidemark } from './tidemark.ts'

/** Starts `tidemark ARGS`; it does not outlive the test, however that ends. */
export function start(args: readonly string[], options?: SpawnOptions): Running {
  const running = startTidemark(args, options)
  onTestFinished(() => {
    running.process.kill('SIGKILL')
  })
  return running
}

/** Runs `tidemark ARGS` to its end. */
export function tidemark(args: readonly string[], options?: SpawnOptions): Promise<Ended> {
  return start(args, options).ended
}

/** Where a server takes requests, once it has said so. */
export async function httpOfRequests(run: Running): Promise<string> {
  await run.says('http://')
  return /http:\/\/[\d.]+:\d+/.exec(run.stderr())?.[0] ?? ''
}

/** Where a worker serves, `http://127.0.0.1:9464`, once it has said so. */
export async function httpOf(run: Running): Promise<string> {
  await run.says('/readyz')
  return /http:\/\/[\d.]+:\d+/.exec(run.stderr())?.[0] ?? ''
}
