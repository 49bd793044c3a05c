import type { LogStream } from '../observe/log.ts'
import type { StopRequest } from './signals.ts'

/** The process-wide objects of a process that runs workers. */
export interface RunProcess {
  /** Resolves when the process should stop. */
  readonly ended: StopRequest
  /** Where log lines go. */
  readonly stderr: LogStream
}
