import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'

/** `json`: one object a line, for machines · `text`: for people. */
export type LogFormat = 'json' | 'text'

export interface LogOptions {
  readonly format: LogFormat
  /** For `text`. @default none */
  readonly colors?: Colors
  /** Where lines go. @default stderr, written before the call returns, so that a crash loses none */
  readonly stream?: DestinationStream
}

/** The process log: each line has its time (ISO), the level's name, a message and fields; never a payload or a key. */
export function createLog({ format, colors = NO_COLORS, ...options }: LogOptions): Logger {
  const stream = options.stream ?? destination({ dest: process.stderr.fd, sync: true })
  return pino(
    {
      base: { service: 'tidemark' },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    format === 'json' ? stream : { write: (json) => stream.write(plainLine(json, colors)) },
  )
}

type Colors = Readonly<Record<'dim' | 'red' | 'yellow', (text: string) => string>>

const asItIs = (text: string) => text
const NO_COLORS: Colors = { dim: asItIs, red: asItIs, yellow: asItIs }

interface Line {
  readonly time: string
  readonly level: string
  readonly msg: string
  readonly service: string
  readonly [field: string]: unknown
}

/** `12:04:31 warn  commit failed  code=COMMIT_FAILED` */
function plainLine(json: string, { dim, red, yellow }: Colors): string {
  const { time, level, msg, service: _, ...fields } = JSON.parse(json) as Line
  const colored = level === 'warn' ? yellow : level === 'error' ? red : dim
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`)
  return `${[`${time.slice(11, 19)} ${colored(level.padEnd(5))} ${msg}`, ...rest].join('  ')}\n`
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
