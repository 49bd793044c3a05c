import picocolors from 'picocolors'
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'

/** `json`: one object a line, for machines · `text`: for people. */
export type LogFormat = 'json' | 'text'

export interface LogOptions {
  /** @default `text` when stderr is a terminal, else `json` */
  readonly format?: LogFormat
  /** Where lines go. @default stderr, written before the call returns, so that a crash loses none */
  readonly stream?: DestinationStream
}

/** The process log: each line has its time (ISO), the level's name, a message and fields; never a payload or a key. */
export function createLog(options: LogOptions = {}): Logger {
  const isTerminal = options.stream === undefined && process.stderr.isTTY
  const {
    format = process.stderr.isTTY ? 'text' : 'json',
    stream = destination({ dest: process.stderr.fd, sync: true }),
  } = options
  const colours = picocolors.createColors(isTerminal && !process.env['NO_COLOR'])
  return pino(
    {
      base: { service: 'tidemark' },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    format === 'json' ? stream : { write: (json) => stream.write(plainLine(json, colours)) },
  )
}

interface Line {
  readonly time: string
  readonly level: string
  readonly msg: string
  readonly service: string
  readonly [field: string]: unknown
}

/** `12:04:31 warn  commit failed  code=COMMIT_FAILED` */
function plainLine(json: string, { dim, red, yellow }: Colours): string {
  const { time, level, msg, service: _, ...fields } = JSON.parse(json) as Line
  const colour = level === 'warn' ? yellow : level === 'error' || level === 'fatal' ? red : dim
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`)
  return `${[`${time.slice(11, 19)} ${colour(level.padEnd(5))} ${msg}`, ...rest].join('  ')}\n`
}

type Colours = ReturnType<typeof picocolors.createColors>

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
