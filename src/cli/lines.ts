import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { messageOf, TidemarkError } from '../kernel/errors.ts'

/** One line of input. */
export interface Line {
  /** Counts from 1, empty lines too. */
  readonly number: number
  /** Without its end. Bytes as they came: they need not be text. */
  readonly bytes: Buffer
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
  let rest: Buffer[] = []
  for await (const piece of piecesOf(stream)) {
    const lines: Line[] = []
    let start = 0
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
      const bytes = Buffer.concat([...rest, piece.subarray(start, end)])
      rest = []
      start = end + 1
      number += 1
      if (bytes.length > 0) lines.push({ number, bytes })
    }
    if (start < piece.length) rest.push(piece.subarray(start))
    if (lines.length > 0) yield lines
  }
  const bytes = Buffer.concat(rest)
  if (bytes.length > 0) yield [{ number: number + 1, bytes }]
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
  /** Size on disk. */
  readonly bytes: number
  /** Bytes of the file read so far. */
  readBytes(): number
}

/** @throws TidemarkError `CONFIG_INVALID` when the file cannot be read */
export async function openInput(path: string): Promise<InputFile> {
  const bytes = await sizeOf(path)
  const file = createReadStream(path)
  const stream = path.endsWith('.gz') ? unpack(file) : file
  return { stream, bytes, readBytes: () => file.bytesRead }
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

function unpack(file: Readable): Readable {
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
