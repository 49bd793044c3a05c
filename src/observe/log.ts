import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import {
  type DestinationStream,
  type Logger,
  type LoggerOptions,
  pino,
  stdTimeFunctions,
} from 'pino'

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

interface LogOptions {
  readonly format: LogFormat
  readonly colors: Colors
  /** The worker's number, where several workers write to one log. @default none */
  readonly worker?: number
  readonly stream: DestinationStream & Partial<Pick<LogStream, 'describeLoss'>>
}

const OPTIONS: LoggerOptions = {
  timestamp: stdTimeFunctions.isoTime,
  formatters: { level: (level) => ({ level }) },
}

export function createLog({ format, colors, worker, stream }: LogOptions): Logger {
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

type LogLine = Record<'time' | 'level' | 'msg', string> & Record<string, unknown>

/** `12:04:31 warn  commit failed  code=COMMIT_FAILED` */
function plainLine(json: string, { dim, red, yellow }: Colors): string {
  const { time, level, msg, service: _, ...fields } = JSON.parse(json) as LogLine
  const colored = level === 'warn' ? yellow : level === 'error' ? red : dim
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`)
  return `${[`${time.slice(11, 19)} ${colored(level.padEnd(5))} ${msg}`, ...rest].join('  ')}\n`
}

function shown(value: unknown): string {
  if (value === null) return 'unknown'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const WAITING_BYTES = 1_048_576
const RETRY_MS = 100
const NEWLINE = Buffer.from('\n')

type DescribeLoss = (count: number, reason: string) => string

interface WaitingLine {
  bytes: Buffer
  isBegun: boolean
  /** Number of dropped lines that this line is about; 0: it is an ordinary line. */
  readonly losses: number
}

/**
 * The destination of log lines. Writing neither throws nor waits, because a full disk or a reader
 * that has gone away must not stop a worker. Lines that cannot be written are dropped,
 * counted, and reported once writing works again. A line is written before the call returns, so a
 * crash loses none; only lines for a slow reader wait.
 */
export class LogStream implements DestinationStream {
  readonly #put: (bytes: Buffer) => number
  #describe: DescribeLoss = (count, reason) => `${count} lines were dropped: ${reason}\n`
  readonly #waiting: WaitingLine[] = []
  #waitingBytes = 0
  dropped = 0
  #unreported = 0
  #reason = ''
  /** Whether the last line was dropped after part of it had been written. */
  #isTorn = false
  #isRetrying = false

  /**
   * @param put writes as many of the bytes as it can, from the first; returns how many; throws the
   * system's error
   */
  constructor(put: (bytes: Buffer) => number) {
    this.#put = put
  }

  describeLoss(describe: DescribeLoss): void {
    this.#describe = describe
  }

  write(line: string): void {
    const lost = this.#unreported
    this.#unreported = 0
    if (lost > 0) this.#append(this.#describe(lost, this.#reason), lost)
    this.#append(line, 0)
    this.flush()
  }

  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        if (this.#isTorn) {
          this.#put(NEWLINE)
          this.#isTorn = false
        }
        const written = this.#put(next.bytes)
        if (written < next.bytes.length) {
          this.#waitingBytes -= written
          next.bytes = next.bytes.subarray(written)
          next.isBegun = true
          continue
        }
      } catch (error) {
        const { code = String(error) } = error as NodeJS.ErrnoException
        if (code === 'EAGAIN') return this.#retryLater()
        this.#drop(next, code)
      }
      this.#waiting.shift()
      this.#waitingBytes -= next.bytes.length
    }
  }

  #append(line: string, losses: number): void {
    const next = { bytes: Buffer.from(line), isBegun: false, losses }
    if (this.#waitingBytes + next.bytes.length > WAITING_BYTES) {
      return this.#drop(next, 'its reader is too slow')
    }
    this.#waiting.push(next)
    this.#waitingBytes += next.bytes.length
  }

  #drop({ isBegun, losses }: WaitingLine, reason: string): void {
    this.#reason = reason
    this.#isTorn ||= isBegun
    this.#unreported += Math.max(losses, 1)
    if (losses === 0) this.dropped++
  }

  #retryLater(): void {
    if (this.#isRetrying) return
    this.#isRetrying = true
    setTimeout(() => {
      this.#isRetrying = false
      this.flush()
    }, RETRY_MS).unref()
  }
}

/** A log stream to stderr; at the exit of the process it writes the lines that wait, if it can. */
export function toStderr(): LogStream {
  const fd = withoutWaiting(process.stderr.fd)
  const stream = new LogStream((bytes) => writeSync(fd, bytes))
  process.once('exit', () => stream.flush())
  return stream
}

/**
 * A file descriptor whose writes fail instead of blocking. Blocking is a property of the open file
 * description, which processes share, so a pipe or a terminal is opened a second time. Where that
 * is not possible, Node has already made it non-blocking for all of them.
 */
function withoutWaiting(fd: number): number {
  const status = fstatSync(fd)
  if (!status.isFIFO() && !status.isCharacterDevice()) return fd
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    return fd
  }
}
