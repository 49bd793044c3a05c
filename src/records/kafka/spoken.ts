import { connect, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

// Does a port speak what its client does? Brokers of the other kind answer with an alert, or hang
// up, which a client library calls a connection that was closed.

/** What such an error is known by. */
export const OTHER_SPEECH = 'ERR_OTHER_SPEECH'

const ANSWER_MS = 1_000
/** The first bytes of a TLS record that is an alert. */
const TLS_ALERT = [0x15, 0x03] as const
const CORRELATION_ID = 0x71de
/** ApiVersions, version 0, of a client without a name: what every broker answers, whoever asks. */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0x71, 0xde, 0xff, 0xff])

export class Spoken {
  /** By `host:port`, of those that were found not to speak TLS. */
  readonly #plain = new Set<string>()

  /** Looks what comes over a connection without TLS. */
  watchPlain(socket: Socket, address: string): void {
    socket.once('data', (bytes: Buffer) => {
      if (TLS_ALERT.some((byte, i) => bytes[i] !== byte)) return
      socket.destroy(otherSpeech(`${address} speaks TLS, and this client does not`))
    })
  }

  /** Looks whether TLS is agreed on. Where it is not, the next attempt knows why. */
  watchTls(socket: TLSSocket, host: string, port: number): void {
    const address = `${host}:${port}`
    if (this.#plain.has(address)) {
      socket.destroy(otherSpeech(`${address} does not speak TLS, and this client does`))
      return
    }
    let isAgreed = false
    socket.once('secureConnect', () => {
      isAgreed = true
    })
    socket.once('close', () => {
      if (isAgreed) return
      void isPlain(host, port).then((is) => is && this.#plain.add(address))
    })
  }
}

function otherSpeech(message: string): Error {
  return Object.assign(new Error(message), { code: OTHER_SPEECH })
}

/** Is a question without TLS answered? */
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
