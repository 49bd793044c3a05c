import type { Logger } from 'pino'
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

/** The log of this process, on stderr. Node's warnings go to it as well. */
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

interface TopologyOutline {
  readonly summary: string
  readonly models: readonly string[]
  readonly shadows: readonly string[]
  readonly by: string
}

/** A checked configuration in the banner, before anything runs. */
export interface RunOutline {
  readonly group: string
  readonly topologies: readonly TopologyOutline[]
  /** One line for each variant of a score step, and one before them. */
  readonly variants: readonly string[]
  readonly notes: readonly string[]
}

export function httpAddressOf({ httpPort, httpHost }: RunConfig) {
  return httpPort === 'off' ? null : { port: httpPort, host: httpHost }
}

interface RunPlace {
  readonly names: string
  readonly http: { readonly host: string; readonly port: number } | null
}

export function banner(
  { group, topologies, variants, notes }: RunOutline,
  config: RunConfig,
  { names, http }: RunPlace,
): void {
  const { dim, bold } = colors
  const line = (name: string, value: string) => say(`  ${dim(name.padEnd(9))}  ${value}`)
  say(`${bold('tidemark')} ${packageVersion()}`)
  for (const { summary, models, shadows, by } of topologies) {
    line('topology', summary)
    for (const model of models) line('model', model)
    for (const shadow of shadows) line('shadow', shadow)
    line('by', by)
  }
  for (const variant of variants) line('variant', variant)
  line('brokers', config.brokers.join(', '))
  line('group', group)
  const { guarantee, commitInterval, workers } = config
  line(workers === 1 ? 'worker' : 'workers', names)
  line(
    'guarantee',
    commitInterval === null ? guarantee : `${guarantee}, a commit every ${commitInterval} ms`,
  )
  line('http', http === null ? 'off' : `http://${http.host}:${http.port}/metrics /livez /readyz`)
  sayNotes(notes)
}
