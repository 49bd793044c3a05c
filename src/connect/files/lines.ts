import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Memory } from '../../kernel/bytes.ts'
import { configFault, messageOf, type TidemarkError } from '../../kernel/errors.ts'

export interface Line {
  /** Counts from 1, including empty lines. */
  readonly number: number
  readonly bytes: Buffer
}

const NEWLINE = 0x0a
const RETURN = 0x0d
const TAB = 0x09
const BRACE = 0x7b
const MARK = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * Splits a stream into lines, as soon as they come. Leaves out empty lines, and the byte order mark
 * and carriage returns of Windows programs.
 * @param path for errors
 * @throws TidemarkError `CONFIG_INVALID`: the stream failed
 */
export async function* linesOf(stream: Readable, path?: string): AsyncGenerator<Line[]> {
  try {
    for await (const { memory, starts, ends, numbers } of blocksOf(stream, true)) {
      yield starts.map((start, i) => {
        return { number: numbers[i] as number, bytes: memory.buffer.subarray(start, ends[i]) }
      })
    }
  } catch (error) {
    throw unreadable(error, path)
  }
}

/**
 * Many lines in one memory. Line `i` lies at `starts[i]` ≤ at < `ends[i]`, until the next block is
 * asked for.
 */
export interface LineBlock {
  readonly memory: Memory
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  /** Counts from 1, including empty lines. */
  readonly numbers: readonly number[]
}

/** bytes */
const BLOCK = 2 ** 20
/** Scanners read some bytes past the end of a line. */
export const SLACK = 8

/**
 * Splits a stream into blocks of lines as {@link linesOf} does, without an object for each.
 * @param isLive whether lines come as soon as they can, rather than many at a time, and stay
 */
export async function* blocksOf(stream: AsyncIterable<Buffer>, isLive = false) {
  let memory = new Memory(new ArrayBuffer(BLOCK + SLACK))
  let [from, used, number] = [0, 0, 0]
  const linesBefore = (end: number): LineBlock => {
    const block = { memory, starts: [] as number[], ends: [] as number[], numbers: [] as number[] }
    const { buffer } = memory
    const isMarked = number === 0 && buffer.subarray(0, MARK.length).equals(MARK)
    for (let at = isMarked ? MARK.length : from; at < end; ) {
      const newline = buffer.indexOf(NEWLINE, at)
      const to = newline < 0 || newline > end ? end : newline
      const last = buffer[to - 1] === RETURN ? to - 1 : to
      number++
      if (last > at) {
        block.starts.push(at)
        block.ends.push(last)
        block.numbers.push(number)
      }
      at = to + 1
    }
    from = end
    return block
  }
  for await (const chunk of stream) {
    if (used + chunk.length > memory.bytes.length - SLACK) {
      const end = memory.buffer.subarray(0, used).lastIndexOf(NEWLINE) + 1
      if (end > from) yield linesBefore(end)
      const rest = memory.buffer.subarray(from, used)
      const size = Math.max(BLOCK, 2 * (rest.length + chunk.length)) + SLACK
      const isReused = !isLive && size <= memory.bytes.length
      const next = isReused ? memory : new Memory(new ArrayBuffer(size))
      used = rest.copy(next.buffer)
      memory = next
      from = 0
    }
    const before = used
    const last = chunk.lastIndexOf(NEWLINE)
    used += chunk.copy(memory.buffer, used)
    if (isLive && last >= 0) yield linesBefore(before + last + 1)
  }
  if (used > from) yield linesBefore(used)
}

export function unreadable(error: unknown, where?: string): TidemarkError {
  return configFault(`cannot read the input: ${messageOf(error)}`, where)
}

/** Opens a file from its start. @throws TidemarkError `CONFIG_INVALID`: it cannot be read */
export async function openInput(path: string): Promise<Readable> {
  try {
    const file = createReadStream(path)
    await once(file, 'open')
    return path.endsWith('.gz') ? pipeline(file, createGunzip(), () => {}) : file
  } catch (error) {
    throw unreadable(error, path)
  }
}

/** Splits `key<TAB>json`. */
export function splitKey(line: Buffer): { key: Buffer | null; value: Buffer } {
  const start = valueStart(line, 0, line.length)
  return { key: start === 0 ? null : line.subarray(0, start - 1), value: line.subarray(start) }
}

/** Where JSON begins. A line that begins with `{` is only JSON, even if it contains a tab. */
export function valueStart(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === BRACE) return start
  const tab = bytes.indexOf(TAB, start)
  return tab < 0 || tab >= end ? start : tab + 1
}
