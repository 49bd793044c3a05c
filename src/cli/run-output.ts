import type { Logger } from 'pino'
import type { RunningWorker } from '../host/running-worker.ts'
import { packageVersion } from '../kernel/node.ts'
import { createLog, type LogStream } from '../observe/log.ts'
import type { StopRequest } from './exit.ts'
import { colors, say, sayNotes, warnThrough } from './print.ts'
import type { RunConfig } from './settings.ts'

// The log and the banner of `tidemark run`, of one worker and of the parent of several.

export interface RunProcess {
  readonly ended: StopRequest
  readonly stderr: LogStream
}

export function processLog(
  { logFormat: format, logLevel }: Pick<RunConfig, 'logFormat' | 'logLevel'>,
  { stderr: stream, worker }: { readonly stderr: LogStream; readonly worker?: number },
): Logger {
  const log = createLog({ format, colors, stream, ...(worker && { worker }) })
  log.level = logLevel
  warnThrough(({ name, message, stack }) => {
    log.warn({ warning: name }, message)
    log.debug({ stack }, 'where the warning comes from')
  })
  return log
}

export interface RunOutline {
  readonly group: string
  readonly lines: readonly (readonly [name: string, value: string])[]
  readonly notes: readonly string[]
}

export function httpAddressOf({ httpPort, httpHost }: RunConfig) {
  return httpPort === 'off' ? null : { port: httpPort, host: httpHost }
}

export function predictAddressOf({ predictPort: port, predictHost: host, ...config }: RunConfig) {
  const { predictTokenFile: token, predictAdvertise: advertise } = config
  return port === null ? null : { port, host, token, advertise }
}

export function banner(
  { group, lines, notes }: RunOutline,
  { brokers, guarantee, commitInterval, workers }: RunConfig,
  { names, http, predict }: { readonly names: string } & Pick<RunningWorker, 'http' | 'predict'>,
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
