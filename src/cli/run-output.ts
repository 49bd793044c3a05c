import type { RunProcess } from '../host/run-process.ts'
import type { RunConfig } from '../host/settings.ts'
import { packageVersion } from '../kernel/node.ts'
import { createLog, type LogStream } from '../observe/log.ts'
import { colors, say, sayNotes, sayTo, warnThrough } from './print.ts'

// The log and the banner of `tidemark run`, of one worker and of the parent of several.

/** @param stderr where it logs, and where its banner goes */
export function processOutput(config: RunConfig, stop: AbortSignal, stderr: LogStream): RunProcess {
  const announce: RunProcess['announce'] = (outline, place) => banner(outline, config, place)
  return { stop, ...processLog(config, stderr), announce }
}

/** @param worker its number, if it is one of several @default it is not */
export function processLog(
  { logFormat: format, logLevel }: RunConfig,
  stream: LogStream,
  worker?: number,
) {
  sayTo(stream)
  const openLog = () => {
    const log = createLog({ format, colors, stream, ...(worker && { worker }) })
    log.level = logLevel
    warnThrough(({ name, message, stack }) => {
      log.warn({ warning: name }, message)
      log.debug({ stack }, 'where the warning comes from')
    })
    return log
  }
  return { openLog, droppedLines: () => stream.dropped }
}

type Announced = Parameters<RunProcess['announce']>

function banner(
  { group, lines, notes }: Announced[0],
  { brokers, guarantee, commitInterval, workers }: RunConfig,
  { names, http, predict }: Announced[1],
): void {
  const { dim, bold } = colors
  const pace = commitInterval === null ? '' : `, a commit every ${commitInterval} ms`
  say(`${bold('tidemark')} ${packageVersion()}`)
  for (const [name, value] of [
    ...lines,
    ['brokers', brokers.join(', ')] as const,
    ['group', group] as const,
    [workers === 1 ? 'worker' : 'workers', names] as const,
    ['guarantee', `${guarantee}${pace}`] as const,
    ['http', http ? `http://${http.host}:${http.port}/metrics /livez /readyz` : 'off'] as const,
    ...(predict ? [['requests', `http://${predict.host}:${predict.port}`] as const] : []),
  ]) {
    say(`  ${dim(name.padEnd(9))}  ${value}`)
  }
  sayNotes(notes)
}
