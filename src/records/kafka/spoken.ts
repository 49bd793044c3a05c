import { connect, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

// Detects a mismatch of TLS and plain text between client and port. A broker of the other kind
// answers with an alert or closes the connection, which a client library reports as a closed
// connection.

/** The error code of such a mismatch. */
export const OTHER_SPEECH = 'ERR_OTHER_SPEECH'

/** How long to wait for an answer without TLS, ms. */
const ANSWER_MS = 1_000
/** The first bytes of a TLS record that is an alert. */
const TLS_ALERT = [0x15, 0x03] as const
const CORRELATION_ID = 0x71de
/** ApiVersions, version 0, without a client id: every broker answers it for any client. */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0x71, 0xde, 0xff, 0xff])

/** Watches which protocol the ports of brokers speak. */
export class Spoken {
  /** `host:port` of the ports that were found not to speak TLS. */
  readonly #plain = new Set<string>()

  /** Watches a plain connection for the answer of a TLS port. */
  watchPlain(socket: Socket, address: string): void {
    socket.once('data', (bytes: Buffer) => {
      if (TLS_ALERT.some((byte, i) => bytes[i] !== byte)) return
      socket.destroy(otherSpeech(`${address} speaks TLS, and this client does not`))
    })
  }

  /** Watches whether the TLS handshake succeeds. If not, the next attempt fails with the reason. */
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

/** Does the port answer a request without TLS? */
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
