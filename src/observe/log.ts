import {
  type DestinationStream,
  type Logger,
  type LoggerOptions,
  pino,
  stdTimeFunctions,
} from 'pino'
import type { LogStream } from './log-stream.ts'

/**
 * A log: takes fields, then a message. Never a payload or a key. pino loggers and `console` fit.
 */
export interface Log {
  /** Details that help to debug. */
  debug(fields: object, message: string): void
  /** Normal operation. */
  info(fields: object, message: string): void
  /** Something the operator should know, although work continues. */
  warn(fields: object, message: string): void
  /** Something that ends the worker. */
  error(fields: object, message: string): void
}

/** `json`: one object a line, for machines · `text`: for people. */
export type LogFormat = 'json' | 'text'

/** What {@link createLog} needs. */
export interface LogOptions {
  readonly format: LogFormat
  /** For `text`. @default none */
  readonly colors?: Colors
  /**
   * The worker's number, a field of each line where several workers write to one log.
   * @default no number
   */
  readonly worker?: number
  readonly stream: DestinationStream & Partial<Pick<LogStream, 'describeLoss'>>
}

const OPTIONS: LoggerOptions = {
  timestamp: stdTimeFunctions.isoTime,
  formatters: { level: (level) => ({ level }) },
}

/**
 * Creates the process log: each line has its time (ISO), the level's name, a message and fields;
 * never a payload or a key.
 */
export function createLog({ format, colors = NO_COLORS, worker, stream }: LogOptions): Logger {
  const base = { service: 'tidemark', ...(worker === undefined ? {} : { worker }) }
  const options = { ...OPTIONS, base }
  const shaped = (json: string) => (format === 'json' ? json : plainLine(json, colors))
  stream.describeLoss?.((count, reason) => {
    let line = ''
    const aside = pino(options, { write: (json) => (line = shaped(json)) })
    aside.warn({ count, reason }, 'log lines were dropped')
    return line
  })
  return pino(options, { write: (json) => stream.write(shaped(json)) })
}

type Colors = Readonly<Record<'dim' | 'red' | 'yellow', (text: string) => string>>

const asItIs = (text: string) => text
const NO_COLORS: Colors = { dim: asItIs, red: asItIs, yellow: asItIs }

interface LogLine {
  readonly time: string
  readonly level: string
  readonly msg: string
  readonly service: string
  readonly [field: string]: unknown
}

/** `12:04:31 warn  commit failed  code=COMMIT_FAILED` */
function plainLine(json: string, { dim, red, yellow }: Colors): string {
  const { time, level, msg, service: _, ...fields } = JSON.parse(json) as LogLine
  const colored = level === 'warn' ? yellow : level === 'error' ? red : dim
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`)
  return `${[`${time.slice(11, 19)} ${colored(level.padEnd(5))} ${msg}`, ...rest].join('  ')}\n`
}

/** `null` means unknown. */
function shown(value: unknown): string {
  if (value === null) return 'unknown'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
