import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { configFault, messageOf, type TidemarkError } from '../kernel/errors.ts'

export interface Line {
  /** Counts from 1, including empty lines. */
  readonly number: number
  readonly bytes: Buffer
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
  let rest: Buffer[] = []
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const lines: Line[] = []
      let start = 0
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        number += 1
        const bytes = withoutMark(Buffer.concat([...rest, chunk.subarray(start, end)]), number)
        rest = []
        start = end + 1
        if (bytes.length > 0) lines.push({ number, bytes })
      }
      if (start < chunk.length) rest.push(chunk.subarray(start))
      if (lines.length > 0) yield lines
    }
  } catch (error) {
    throw unreadable(error, path)
  }
  number += 1
  const bytes = withoutMark(Buffer.concat(rest), number)
  if (bytes.length > 0) yield [{ number, bytes }]
}

function withoutMark(line: Buffer, number: number): Buffer {
  const isMarked = number === 1 && line.subarray(0, MARK.length).equals(MARK)
  return isMarked ? line.subarray(MARK.length) : line
}

function unreadable(error: unknown, where?: string): TidemarkError {
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

/** Splits `key<TAB>json`. A line that begins with `{` is only JSON, even if it contains a tab. */
export function splitKey(line: Buffer): { key: Buffer | null; value: Buffer } {
  const tab = line[0] === BRACE ? -1 : line.indexOf(TAB)
  return tab === -1
    ? { key: null, value: line }
    : { key: line.subarray(0, tab), value: line.subarray(tab + 1) }
}
