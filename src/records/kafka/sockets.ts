import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'
import { Spoken } from './spoken.ts'

/** Why a socket that is not connected is gone. */
export const UNCONNECTED = 'it was ended before it was connected'

/** What is read of a socket at once, at most. */
const READ_BYTES = 262_144

interface Address {
  readonly host: string
  readonly port: number
}

/**
 * The sockets of one driver. The library keeps one open, and with it the process alive, for as long
 * as it waits for an answer, be it for minutes; so whoever closes the driver ends them from here.
 */
export class Sockets {
  readonly #open = new Set<Socket>()
  readonly #spoken = new Spoken()
  #closed = false

  /** For the library's configuration; opens them as the library's own factory does. */
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
    this.#open.add(socket)
    this.#destroyUnless(() => isConnected, socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      // The library does so again each time that it fails to reach the broker, and each call would
      // leave a listener behind.
      socket.unref = () => socket
    })
    return socket
  }

  /**
   * The library ends a socket that does not connect in time. That one would wait until it is
   * connected, even if the next one has long taken its place. It is destroyed with an error, so
   * that whoever waits for it hears of it.
   */
  #destroyUnless(isConnected: () => boolean, socket: Socket): void {
    const end = socket.end.bind(socket) as (...of: readonly unknown[]) => Socket
    socket.end = (...of: readonly unknown[]) =>
      isConnected() ? end(...of) : socket.destroy(new Error(UNCONNECTED))
  }

  #plain({ host, port }: Address, onConnect: () => void): Socket {
    // All that is read goes through one piece of memory, as `Answers` copies it. TLS has no such
    // way.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    const callback = (length: number) => {
      socket.emit('data', buffer.subarray(0, length))
      // It goes on reading.
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

  /** Ends every socket; from now on none is opened. */
  close(): void {
    this.#closed = true
    // With an error, because the library takes no notice of a mere end from this side.
    for (const socket of this.#open) socket.destroy(closed())
  }
}

function closed(): Error {
  return new Error('the driver is closed')
}
