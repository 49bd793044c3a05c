import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGunzip, type Gunzip } from 'node:zlib'
import { messageOf, TidemarkError } from '../kernel/errors.ts'

/** One line of input. */
export interface Line {
  /** Counts from 1, empty lines too. */
  readonly number: number
  /** Without its end. Bytes as they came: they need not be text. */
  readonly bytes: Buffer
  /** Where it ends in the stream, its newline included: bytes from the stream's start. */
  readonly end: number
}

const NEWLINE = 0x0a
const TAB = 0x09
const BRACE = 0x7b

/**
 * Cuts a stream into lines as they come, one batch for each piece of it. Empty lines are left out.
 *
 * @throws TidemarkError `CONFIG_INVALID` when the stream breaks off
 */
export async function* linesOf(stream: Readable): AsyncGenerator<Line[]> {
  let number = 0
  let taken = 0
  let rest: Buffer[] = []
  for await (const piece of piecesOf(stream)) {
    const lines: Line[] = []
    let start = 0
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
      const bytes = Buffer.concat([...rest, piece.subarray(start, end)])
      rest = []
      start = end + 1
      number += 1
      if (bytes.length > 0) lines.push({ number, bytes, end: taken + start })
    }
    if (start < piece.length) rest.push(piece.subarray(start))
    taken += piece.length
    if (lines.length > 0) yield lines
  }
  const bytes = Buffer.concat(rest)
  if (bytes.length > 0) yield [{ number: number + 1, bytes, end: taken }]
}

async function* piecesOf(stream: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) yield piece
  } catch (error) {
    throw unreadable(error)
  }
}

function unreadable(error: unknown, where?: string): TidemarkError {
  const message = `cannot read the input: ${messageOf(error)}`
  return new TidemarkError('CONFIG_INVALID', message, where === undefined ? {} : { where })
}

/** A file to read from its start; `.gz` is unpacked. */
export interface InputFile {
  readonly stream: Readable
  /**
   * How much of the file stands before a place in its stream, 0 to 1; of `.gz` an estimate until
   * all of it is unpacked. `null`: how long it is nobody knows, as of a pipe.
   *
   * @param end bytes from the stream's start
   */
  readonly shareAt: (end: number) => number | null
}

/** @throws TidemarkError `CONFIG_INVALID` when the file cannot be read */
export async function openInput(path: string): Promise<InputFile> {
  const bytes = await sizeOf(path)
  const file = createReadStream(path)
  const { stream, shareAt } = path.endsWith('.gz') ? packed(file, bytes) : plain(file, bytes)
  return { stream, shareAt: (end) => (bytes === 0 ? null : shareAt(end)) }
}

type Opened = { readonly stream: Readable; readonly shareAt: (end: number) => number }

function plain(stream: Readable, bytes: number): Opened {
  return { stream, shareAt: (end) => shareOf(end, bytes) }
}

/**
 * What is unpacked, and the bytes of the file that it comes from, are both ahead of what was read:
 * the place tells how far.
 */
function packed(file: Readable, bytes: number): Opened {
  const gunzip = unpack(file)
  let taken = 0
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of gunzip as AsyncIterable<Buffer>) {
      taken += piece.length
      yield piece
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
    const handle = await open(path)
    try {
      return (await handle.stat()).size
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw unreadable(error, path)
  }
}

function unpack(file: Readable): Gunzip {
  const gunzip = createGunzip()
  file.on('error', (error) => gunzip.destroy(error))
  return file.pipe(gunzip)
}

export interface KeyedLine {
  /** `null`: the line has no key of its own. */
  readonly key: Buffer | null
  readonly value: Buffer
}

/** Splits `key<TAB>json`. A line that begins with `{` is JSON alone, whatever stands in it. */
export function splitKey(line: Buffer): KeyedLine {
  const tab = line[0] === BRACE ? -1 : line.indexOf(TAB)
  return tab === -1
    ? { key: null, value: line }
    : { key: line.subarray(0, tab), value: line.subarray(tab + 1) }
}
