import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { configFault, messageOf, type TidemarkError } from '../kernel/errors.ts'

export interface Line {
  /** Counts from 1, including empty lines. */
  readonly number: number
  readonly bytes: Buffer
  /** End in the stream, including the newline: bytes from the start. */
  readonly end: number
}

const NEWLINE = 0x0a
const TAB = 0x09
const BRACE = 0x7b
const MARK = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * Splits a stream into lines, one batch per chunk that arrives. Leaves out empty lines and a byte
 * order mark, which Windows programs write at the start.
 * @param path for errors
 * @throws TidemarkError `CONFIG_INVALID`: the stream failed
 */
export async function* linesOf(stream: Readable, path?: string): AsyncGenerator<Line[]> {
  let number = 0
  let taken = 0
  let rest: Buffer[] = []
  for await (const chunk of chunksOf(stream, path)) {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      number += 1
      const bytes = withoutMark(Buffer.concat([...rest, chunk.subarray(start, end)]), number)
      rest = []
      start = end + 1
      if (bytes.length > 0) lines.push({ number, bytes, end: taken + start })
    }
    if (start < chunk.length) rest.push(chunk.subarray(start))
    taken += chunk.length
    if (lines.length > 0) yield lines
  }
  number += 1
  const bytes = withoutMark(Buffer.concat(rest), number)
  if (bytes.length > 0) yield [{ number, bytes, end: taken }]
}

function withoutMark(line: Buffer, number: number): Buffer {
  const isMarked = number === 1 && line.subarray(0, MARK.length).equals(MARK)
  return isMarked ? line.subarray(MARK.length) : line
}

async function* chunksOf(stream: Readable, path?: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk
  } catch (error) {
    throw unreadable(error, path)
  }
}

function unreadable(error: unknown, where?: string): TidemarkError {
  return configFault(`cannot read the input: ${messageOf(error)}`, where)
}

export interface InputFile {
  readonly stream: Readable
  /** Fraction of the file before a position in its stream; `null`: the length is unknown. */
  readonly shareAt: (end: number) => number | null
}

/** Opens a file from its start. @throws TidemarkError `CONFIG_INVALID`: it cannot be read */
export async function openInput(path: string): Promise<InputFile> {
  const bytes = await sizeOf(path)
  const file = createReadStream(path)
  const { stream, shareAt } = path.endsWith('.gz')
    ? gzipped(file, bytes)
    : { stream: file, shareAt: (end: number) => shareOf(end, bytes) }
  return { stream, shareAt: (end) => (bytes === 0 ? null : shareAt(end)) }
}

/**
 * The position's share of the output so far, times the share of the file consumed so far, because
 * decompression is ahead of the reader.
 */
function gzipped(file: Readable, bytes: number) {
  const gunzip = createGunzip()
  file.on('error', (error) => gunzip.destroy(error))
  file.pipe(gunzip)
  let taken = 0
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      taken += chunk.length
      yield chunk
    }
  }
  const shareAt = (end: number) =>
    shareOf(end, taken + gunzip.readableLength) * shareOf(gunzip.bytesWritten, bytes)
  return { stream: Readable.from(counted()), shareAt }
}

function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(1, part / whole)
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    throw unreadable(error, path)
  }
}

/** Splits `key<TAB>json`. A line that begins with `{` is only JSON, even if it contains a tab. */
export function splitKey(line: Buffer): { key: Buffer | null; value: Buffer } {
  const tab = line[0] === BRACE ? -1 : line.indexOf(TAB)
  return tab === -1
    ? { key: null, value: line }
    : { key: line.subarray(0, tab), value: line.subarray(tab + 1) }
}
