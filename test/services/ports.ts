import { randomInt } from 'node:crypto'
import { type AddressInfo, createServer, type Server } from 'node:net'

/**
 * Below those that a system gives to outgoing connections (Linux: 32768 on): one of them would take
 * a port that is free for a moment.
 */
const FIRST = 10_000
const LAST = 32_767
/** Workers of a test run draw from parts of their own: a port is free for a moment before its use. */
const PARTS = 8
const EACH = Math.floor((LAST + 1 - FIRST) / PARTS)
const OWN = FIRST + EACH * (Number(process.env['VITEST_POOL_ID'] ?? 0) % PARTS)

/** Ports of 127.0.0.1 that are free now; all are held until all are known. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = []
  while (servers.length < count) {
    const server = await listening(randomInt(OWN, OWN + EACH))
    if (server !== null) servers.push(server)
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** `null`: somebody else has the port. */
function listening(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
