import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { gone, MOST, RequestFault } from './request-fault.ts'

/** How to unpack a body. A map, because `constructor` is found in every object. */
const UNPACK = new Map([
  ['gzip', promisify<Buffer, object, Buffer>(gunzip)],
  ['deflate', promisify<Buffer, object, Buffer>(inflate)],
])

type Hold = (bytes: number) => void

/** The body of a request, unpacked. @throws RequestFault 400 · 413 · 415 · 499 */
export async function bodyOf(message: IncomingMessage, hold: Hold): Promise<Buffer> {
  const { headers } = message
  if (Number(headers['content-length'] ?? 0) > MOST.bodyBytes) throw tooLarge(MOST.bodyBytes)
  const chunks = await bytesOf(message, MOST.bodyBytes, hold)
  const [only = Buffer.alloc(0)] = chunks
  const body = chunks.length > 1 ? Buffer.concat(chunks) : only
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (encoding === 'identity') return body
  const unpack = UNPACK.get(encoding)
  if (unpack === undefined) {
    throw new RequestFault(415, 'is not gzip or deflate', { where: 'content-encoding' })
  }
  hold(MOST.bodyBytes)
  try {
    return await unpack(body, { maxOutputLength: MOST.bodyBytes })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(MOST.bodyBytes)
    throw new RequestFault(400, `is not ${encoding}`, { where: 'body' })
  }
}

/**
 * The bytes of a message.
 * @param hold called before some are kept; its error ends the reading
 * @throws RequestFault 413: more than `most` · 499: it breaks off
 */
export function bytesOf(message: IncomingMessage, most: number, hold: Hold): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  let bytes = 0
  // Iterating over the message costs a third of the time of an answer.
  return new Promise((resolve, reject) => {
    message.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      try {
        if (bytes > most) throw tooLarge(most)
        hold(chunk.length)
        chunks.push(chunk)
      } catch (fault) {
        chunks.length = 0
        reject(fault)
      }
    })
    message.once('end', () => resolve(chunks))
    message.once('close', () => reject(gone()))
  })
}

function tooLarge(bytes: number): RequestFault {
  return new RequestFault(413, `has more than ${bytes} bytes`, { where: 'body' })
}
