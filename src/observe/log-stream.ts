import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'

/** Lines that wait for a slow reader, bytes; what comes on top of them is dropped. */
const WAITING_BYTES = 1_048_576
/** How often a slow reader is tried again, ms. */
const RETRY_MS = 100
const NEWLINE = Buffer.from('\n')

/** Says that lines were dropped and why, as a line of its own with its end. */
export type DescribeLoss = (count: number, reason: string) => string

interface Waiting {
  bytes: Buffer
  /** Some of it is written. */
  isBegun: boolean
  /** Of how many dropped lines it tells. 0: it is a line as any other. */
  readonly tellsOf: number
}

/**
 * Where log lines go. Writing neither throws nor waits, since a full disk, a reader that is gone or
 * one that does not read is no reason for a worker to stop: what cannot be written is dropped and
 * counted, and told once writing works again. A line is written before the call returns, so that a
 * crash loses none; only a slow reader's wait, up to 1 MiB of them.
 */
export class LogStream implements DestinationStream {
  readonly #put: (bytes: Buffer) => number
  #describe: DescribeLoss = (count, reason) => `${count} lines were dropped: ${reason}\n`
  readonly #waiting: Waiting[] = []
  #waitingBytes = 0
  #dropped = 0
  #untold = 0
  #reason = ''
  /** A line was given up after a part of it was written. */
  #isTorn = false
  /** It will be tried again. */
  #isLater = false

  /** @param put writes the beginning of some bytes; returns how many, throws the system's error */
  constructor(put: (bytes: Buffer) => number) {
    this.#put = put
  }

  /** Lines that were dropped so far. */
  get dropped(): number {
    return this.#dropped
  }

  /** How the loss of lines is to be told; by default in plain text. */
  describeLoss(describe: DescribeLoss): void {
    this.#describe = describe
  }

  write(line: string): void {
    this.#tellLoss()
    this.#append(line, 0)
    this.flush()
  }

  /** Tries once more what waits for a slow reader. */
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
        if (code === 'EAGAIN') return this.#later()
        this.#drop(next, code)
      }
      this.#waiting.shift()
      this.#waitingBytes -= next.bytes.length
    }
  }

  #tellLoss(): void {
    const count = this.#untold
    if (count === 0) return
    this.#untold = 0
    this.#append(this.#describe(count, this.#reason), count)
  }

  #append(line: string, tellsOf: number): void {
    const next = { bytes: Buffer.from(line), isBegun: false, tellsOf }
    if (this.#waitingBytes + next.bytes.length > WAITING_BYTES) {
      this.#drop(next, 'its reader is too slow')
      return
    }
    this.#waiting.push(next)
    this.#waitingBytes += next.bytes.length
  }

  #drop({ isBegun, tellsOf }: Waiting, reason: string): void {
    this.#reason = reason
    this.#isTorn ||= isBegun
    this.#untold += Math.max(tellsOf, 1)
    if (tellsOf === 0) this.#dropped++
  }

  #later(): void {
    if (this.#isLater) return
    this.#isLater = true
    setTimeout(() => {
      this.#isLater = false
      this.flush()
    }, RETRY_MS).unref()
  }
}

/** Lines to stderr. What still waits when the process ends is tried once more. */
export function toStderr(): LogStream {
  const fd = withoutWaiting(process.stderr.fd)
  const stream = new LogStream((bytes) => writeSync(fd, bytes))
  process.once('exit', () => stream.flush())
  return stream
}

/**
 * A descriptor whose writes fail rather than wait. Whether they wait is a setting of what was
 * opened, which other processes may share and change; so a pipe or a terminal is opened once more.
 * Where that cannot be, Node has set it for all of them.
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
