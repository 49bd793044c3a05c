import { threadsInRun } from '../scoring/thread-runner.ts'
import { exitNow } from './exit-now.ts'

/** How long the process may take to end by itself, ms. */
const END_WITHIN_MS = 2_000

/** Ends the process, which has done its work, with the exit code that has been set. */
export function endProcess(): void {
  const end = () => exitNow(Number(process.exitCode ?? 0))
  if (threadsInRun() > 0) end()
  // A broker that hangs may hold a connection open that is no longer needed.
  setTimeout(end, END_WITHIN_MS).unref()
}
