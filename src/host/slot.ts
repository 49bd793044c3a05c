import { createHash } from 'node:crypto'
import { createServer, type ListenOptions, type Server } from 'node:net'

/** More workers of one group than any machine runs. */
const MOST_SLOTS = 1_000
/** Below the ephemeral ports. */
const PORTS = { from: 20_000, to: 32_000 } as const

/** A worker's number among the workers of its group on this machine. */
export interface Slot {
  /** 1, 2, 3 … */
  readonly number: number
  readonly release: () => void
}

/**
 * Takes the first number that no other worker of the group has on this machine, until it is
 * released or the process ends. The number is held by a socket bound to an address made from group
 * and number: the system closes the socket with its process, also after `kill -9`, where a lock
 * file would stay. Only the group counts: workers of one group may be started with different
 * brokers, topics and so on.
 * @param platform of the system
 * @returns `null` when the system does not allow such a socket
 */
export async function claimSlot(
  group: string,
  platform: NodeJS.Platform = process.platform,
): Promise<Slot | null> {
  for (let number = 1; number <= MOST_SLOTS; number++) {
    const held = await bind(addressOf(`${number} ${group}`, platform))
    if (held === 'refused') return null
    if (held !== 'in use') return { number, release: () => void held.close() }
  }
  return null
}

/**
 * On Linux an abstract socket, whose name begins with NUL (unix(7); Node 20.4 and newer): it is not
 * in the file system, and it is visible only in its network namespace, as a container's address is.
 * On Windows a named pipe. Elsewhere a port of the loopback interface.
 */
function addressOf(of: string, platform: NodeJS.Platform): ListenOptions {
  const hash = createHash('sha256').update(of).digest()
  const name = `tidemark-${hash.toString('hex', 0, 16)}`
  if (platform === 'linux') return { path: `\0${name}` }
  if (platform === 'win32') return { path: `\\\\?\\pipe\\${name}` }
  const port = PORTS.from + (hash.readUInt32BE() % (PORTS.to - PORTS.from))
  return { host: '127.0.0.1', port }
}

function bind(address: ListenOptions): Promise<Server | 'in use' | 'refused'> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.on('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'EADDRINUSE' ? 'in use' : 'refused'),
    )
    // Exclusive, because processes of node:cluster would share it otherwise.
    server.listen({ ...address, exclusive: true }, () => resolve(server))
    server.unref()
  })
}
