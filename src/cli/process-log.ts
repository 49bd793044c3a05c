import type { Logger } from 'pino'
import { createLog, type LogStream } from '../observe/log.ts'
import { colors } from './print.ts'
import type { RunConfig } from './run-config.ts'
import { warnThrough } from './warnings.ts'

/**
 * Returns the log of this process, on stderr. Node's warnings go to it as well.
 *
 * @param worker number of this worker, if there are several
 */
export function processLog(
  { logFormat: format, logLevel }: Pick<RunConfig, 'logFormat' | 'logLevel'>,
  { stderr: stream, worker }: { readonly stderr: LogStream; readonly worker?: number },
): Logger {
  const of = worker === undefined ? {} : { worker }
  const log = createLog({ format, colors, stream, ...of })
  log.level = logLevel
  warnThrough(({ name, message, stack }) => {
    log.warn({ warning: name }, message)
    log.debug({ stack }, 'where the warning comes from')
  })
  return log
}
