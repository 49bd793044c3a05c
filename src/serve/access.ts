import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isIPv4, isIPv6 } from 'node:net'
import { RequestFault } from './request-fault.ts'

/** Digests have one length, so comparing them tells nothing of a token. */
export function tokenDigest(token: string | Buffer): Buffer {
  return createHash('sha256').update(token).digest()
}

/**
 * Checks whether a request may be answered.
 * @param token digest of the one that is needed; `null`: none is
 * @throws RequestFault 401: it has not the token · 403: a page of another server asks, or it asks
 * under a name, which may be that of such a page
 */
export function checkAccess(
  { host = '', origin, authorization = '' }: IncomingHttpHeaders,
  token: Buffer | null,
): void {
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new RequestFault(403, 'is that of another server', { where: 'origin' })
  }
  if (token === null) {
    if (isAddress(host.replace(/:\d+$/, ''))) return
    throw new RequestFault(403, 'is neither an address nor localhost', { where: 'host' })
  }
  const [, text = ''] = /^bearer +(.*)$/i.exec(authorization) ?? []
  // Node reads bytes as latin1.
  if (timingSafeEqual(tokenDigest(Buffer.from(text, 'latin1')), token)) return
  const headers = { 'www-authenticate': 'Bearer' }
  const message = 'the request has not the right token'
  throw new RequestFault(401, message, { where: 'authorization', headers })
}

function isAddress(name: string): boolean {
  if (isIPv4(name) || name.toLowerCase() === 'localhost') return true
  return name.startsWith('[') && name.endsWith(']') && isIPv6(name.slice(1, -1))
}
