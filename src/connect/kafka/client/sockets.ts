import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/** The error of a socket that was ended before it was connected. */
export const UNCONNECTED = 'it was ended before it was connected'

const READ_BYTES = 262_144

export interface Address {
  readonly host: string
  readonly port: number
}

/** The library keeps a socket open, and the process alive, for minutes: closing destroys it. */
export class Sockets {
  readonly #open = new Set<Socket>()
  /** `host:port` of the ports that were found not to speak TLS. */
  readonly #withoutTls = new Set<string>()
  #closed = false

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
    // Without it a small request waits up to 40 ms until the broker has acknowledged the one
    // before, such as a fetch that it answers later (Nagle's algorithm with delayed
    // acknowledgements).
    socket.setNoDelay(true)
    this.#open.add(socket)
    this.#destroyUnless(() => isConnected, socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      // The library calls this after each failure to reach the broker, and each call would leave a
      // listener behind.
      socket.unref = () => socket
    })
    return socket
  }

  /** A socket that does not connect in time would go on waiting after the library has ended it. */
  #destroyUnless(isConnected: () => boolean, socket: Socket): void {
    const end = socket.end.bind(socket) as (...args: readonly unknown[]) => Socket
    socket.end = (...args: readonly unknown[]) =>
      isConnected() ? end(...args) : socket.destroy(new Error(UNCONNECTED))
  }

  #plain({ host, port }: Address, onConnect: () => void): Socket {
    // One buffer for all reads, because {@link ResponseFramer} copies. TLS sockets do not support
    // that.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    const callback = (length: number) => {
      socket.emit('data', buffer.subarray(0, length))
      return true
    }
    const socket: Socket = connect({ host, port, onread: { buffer, callback } }, onConnect)
    socket.once('data', (bytes: Buffer) => {
      if (TLS_ALERT.some((byte, i) => bytes[i] !== byte)) return
      socket.destroy(tlsMismatch(`${host}:${port} speaks TLS, and this client does not`))
    })
    return socket
  }

  /** Watches the TLS handshake. If it fails, the next attempt fails with the reason. */
  #secure({ host, port }: Address, options: ConnectionOptions, onConnect: () => void): Socket {
    const socket = connectTls({ host, port, ...options }, onConnect)
    const address = `${host}:${port}`
    if (this.#withoutTls.has(address)) {
      socket.destroy(tlsMismatch(`${address} does not speak TLS, and this client does`))
      return socket
    }
    let isAgreed = false
    socket.once('secureConnect', () => {
      isAgreed = true
    })
    socket.once('close', () => {
      if (isAgreed) return
      void isPlain(host, port).then((is) => is && this.#withoutTls.add(address))
    })
    return socket
  }

  /** Destroys every socket; none can be opened afterwards. */
  close(): void {
    this.#closed = true
    // The library ignores an end from this side without an error.
    for (const socket of this.#open) socket.destroy(closed())
  }
}

function closed(): Error {
  return new Error('the driver is closed')
}

// A broker with TLS answers plain text, and the other way round, with an alert or a closed
// connection, which a client library reports as a closed connection.

export const TLS_MISMATCH = 'ERR_OTHER_SPEECH'

const ANSWER_MS = 1_000
const TLS_ALERT = [0x15, 0x03] as const
const CORRELATION_ID = 0x71de
/** ApiVersions, version 0, without a client id: every broker answers it for any client. */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0x71, 0xde, 0xff, 0xff])

function tlsMismatch(message: string): Error {
  return Object.assign(new Error(message), { code: TLS_MISMATCH })
}

function isPlain(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (is: boolean) => {
      resolve(is)
      socket.destroy()
    }
    socket.setTimeout(ANSWER_MS, () => end(false))
    socket.once('connect', () => socket.write(QUESTION))
    socket.once('data', (bytes: Buffer) => {
      end(bytes.length >= 8 && bytes.readInt32BE(4) === CORRELATION_ID)
    })
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
  })
}
