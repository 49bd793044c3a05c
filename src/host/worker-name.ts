import { createHash } from 'node:crypto'
import { createServer, type ListenOptions, type Server } from 'node:net'
import { hostname } from 'node:os'

export const NO_NAME = 'none'
/** Characters of the host in a worker name, which has 100 at most. */
const LONGEST_HOST = 90

export interface WorkerName {
  /** `null`: the worker has none. */
  readonly text: string | null
  /** Whether it was chosen because none was given. */
  readonly isDefault: boolean
  readonly release: () => void
}

/** The given name, or else `<host>-<slot>`, unique among the group's workers on this machine. */
export async function claimName(name: string | null, group: string): Promise<WorkerName> {
  const slot = name === null ? await claimSlot(group) : null
  if (slot !== null) {
    const text = `${fitHost(hostname())}-${slot.number}`
    return { text, isDefault: true, release: slot.release }
  }
  const text = name === NO_NAME ? null : name
  return { text, isDefault: false, release: () => {} }
}

export function fitHost(host: string): string {
  return host.replaceAll(/[^\w.-]+/g, '-').slice(0, LONGEST_HOST) || 'host'
}

const MOST_SLOTS = 1_000
/** Below the ephemeral ports. */
const PORTS = { from: 20_000, to: 32_000 } as const

/** The number of a worker among the workers of its group on this machine. */
export interface Slot {
  readonly number: number
  readonly release: () => void
}

/**
 * Takes the first number that no other worker of the group has on this machine, until it is
 * released or the process ends. The number is held by a socket bound to an address made from group
 * and number: the system closes the socket with its process, also after `kill -9`, where a lock
 * file would stay.
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
 * An abstract socket on Linux, whose name begins with NUL (unix(7); Node 20.4 and newer): it is not
 * in the file system, and it is visible only in its network namespace, as a container's address is.
 * A named pipe on Windows, a port of the loopback interface elsewhere.
 */
function addressOf(text: string, platform: NodeJS.Platform): ListenOptions {
  const hash = createHash('sha256').update(text).digest()
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

/** The name of one of several workers, `<name>-<worker>`. @param worker its number, from 1 */
export function numberedName(name: string, worker: number): string {
  return name === NO_NAME ? name : `${name}-${worker}`
}

/** `4: scorer-1 to scorer-4`; only the number if the names are not known in advance. */
export function numberedNames(name: string | null, workers: number): string {
  if (name === null) return String(workers)
  if (name === NO_NAME) return `${workers}, without names`
  return `${workers}: ${numberedName(name, 1)} to ${numberedName(name, workers)}`
}
