import type { LogStream } from '../observe/log-stream.ts'
import type { Ending } from './signals.ts'

/** What belongs to a process that runs workers. */
export interface RunProcess {
  readonly ended: Ending
  readonly stderr: LogStream
}
