import { createHash } from 'node:crypto'
import { createServer, type ListenOptions, type Server } from 'node:net'

/** More workers of one group are on no machine. */
const MOST_SLOTS = 1_000
/** Below the ports that systems give to connections. */
const PORTS = { from: 20_000, to: 32_000 } as const

/** A worker's number among those of its group on this machine. */
export interface Slot {
  /** 1, 2, 3 … */
  readonly number: number
  readonly release: () => void
}

/**
 * Takes the first number that no other worker of the group has on this machine, until it is
 * released or the process ends. A socket that is bound to an address made of group and number holds
 * it: the system closes that with its process, also after `kill -9`, where a file would stay. By
 * the group alone: what else workers of one group are started with, such as brokers and topics, may
 * differ.
 * @param platform of the system
 * @returns `null` when the system lets it bind none
 */
export async function takeSlot(
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
 * On Linux an abstract socket, whose name begins with NUL (unix(7); Node 20.4 and newer): it is in
 * no file system, and only in its network namespace, as a container's address is. On Windows a
 * named pipe. Elsewhere a port of the loopback interface.
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
    // Exclusive: processes of node:cluster would share it.
    server.listen({ ...address, exclusive: true }, () => resolve(server))
    server.unref()
  })
}
