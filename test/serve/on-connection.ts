import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** What a server sends on a connection until it closes it. */
export function raw(port: number, text: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (data) => {
      answer += data.toString()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

/** The status with which a server answers the only request on a connection. */
export async function statusOfRaw(port: number, head: string, body = ''): Promise<number> {
  const text = `${head}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  const answer = await raw(port, Buffer.from(text, 'latin1'))
  return Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1])
}

/** A connection on which something has been sent. */
export async function connected(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  await new Promise((resolve) => socket.write(text, resolve))
  return socket
}
