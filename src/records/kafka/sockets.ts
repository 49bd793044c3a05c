import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'
import { Spoken } from './spoken.ts'

/** The error of a socket that was ended before it was connected. */
export const UNCONNECTED = 'it was ended before it was connected'

/** The most bytes that are read from a socket at once. */
const READ_BYTES = 262_144

interface Address {
  readonly host: string
  readonly port: number
}

/**
 * The sockets of one driver. The library keeps a socket open, and thereby the process alive, while
 * it waits for an answer, possibly for minutes; so closing the driver ends them from here.
 */
export class Sockets {
  readonly #open = new Set<Socket>()
  readonly #spoken = new Spoken()
  #closed = false

  /** For the library's configuration; opens sockets as the library's own factory does. */
  readonly factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.#closed) throw closed()
    const name = isIP(host) === 0 ? { servername: host } : {}
    let isConnected = false
    const connected = () => {
      isConnected = true
      onConnect()
    }
    const socket = ssl
      ? this.#secure({ host, port }, { ...name, ...ssl }, connected)
      : this.#plain({ host, port }, connected)
    socket.setKeepAlive(true, 60_000)
    // Otherwise a small request waits until the broker has acknowledged the one before, such as a
    // fetch that it answers later: up to 40 ms (Nagle's algorithm with delayed acknowledgements).
    socket.setNoDelay(true)
    this.#open.add(socket)
    this.#destroyUnless(() => isConnected, socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      // The library calls this each time that it fails to reach the broker, and each call would
      // leave a listener behind.
      socket.unref = () => socket
    })
    return socket
  }

  /**
   * The library ends a socket that does not connect in time. Such a socket would wait until it is
   * connected, even after the next one has replaced it. So it is destroyed, with an error for those
   * who wait for it.
   */
  #destroyUnless(isConnected: () => boolean, socket: Socket): void {
    const end = socket.end.bind(socket) as (...of: readonly unknown[]) => Socket
    socket.end = (...of: readonly unknown[]) =>
      isConnected() ? end(...of) : socket.destroy(new Error(UNCONNECTED))
  }

  #plain({ host, port }: Address, onConnect: () => void): Socket {
    // All data is read into one buffer, since `Answers` copies it. TLS sockets do not support that.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    const callback = (length: number) => {
      socket.emit('data', buffer.subarray(0, length))
      // Keep reading.
      return true
    }
    const socket: Socket = connectPlain({ host, port, onread: { buffer, callback } }, onConnect)
    this.#spoken.watchPlain(socket, `${host}:${port}`)
    return socket
  }

  #secure({ host, port }: Address, options: ConnectionOptions, onConnect: () => void): Socket {
    const socket = connectTls({ host, port, ...options }, onConnect)
    this.#spoken.watchTls(socket, host, port)
    return socket
  }

  /** Destroys every socket; afterwards none can be opened. */
  close(): void {
    this.#closed = true
    // With an error, because the library ignores a plain end from this side.
    for (const socket of this.#open) socket.destroy(closed())
  }
}

function closed(): Error {
  return new Error('the driver is closed')
}
