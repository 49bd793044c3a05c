import { once } from 'node:events'
import { createRequire } from 'node:module'
import { connect } from 'node:net'

// One request to one broker, for what no client library asks. Shares nothing with our driver.

/** kafkajs' own; it is not part of what the library exports. */
export interface Encoder {
  readonly buffer: Buffer
  writeInt8(value: number): Encoder
  writeInt16(value: number): Encoder
  writeInt32(value: number): Encoder
  writeInt64(value: number): Encoder
  writeDouble(value: number): Encoder
  writeBoolean(value: boolean): Encoder
  writeUVarInt(value: number): Encoder
  writeUVarIntString(value: string | null): Encoder
  writeString(value: string | null): Encoder
  writeBytes(value: Buffer): Encoder
  writeEncoder(value: Encoder): Encoder
}

/** kafkajs' own. */
export interface Decoder {
  readInt8(): number
  readInt16(): number
  readInt32(): number
  readInt64(): bigint
  readDouble(): number
  readString(): string
  readBytes(): Buffer
  readArray<T>(each: (decoder: Decoder) => T): T[]
  readUVarIntString(): string
  readUVarIntArray<T>(each: (decoder: Decoder) => T): T[]
  readTaggedFields(): unknown
}

export interface Question {
  readonly api: number
  readonly version: number
  readonly body: Encoder
  /** Does this version of the request have tagged fields? @default false */
  readonly isFlexible?: boolean
}

const require = createRequire(import.meta.url)
const KafkaEncoder = require('kafkajs/src/protocol/encoder') as new () => Encoder
const KafkaDecoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder

/** A broker that has not answered by then is taken for one that hangs, ms. */
const ANSWER_MS = 5_000

export function encoder(): Encoder {
  return new KafkaEncoder()
}

/** The body of the answer. @throws Error when there is none within 5 s */
export async function ask(address: string, question: Question): Promise<Decoder> {
  const [host = '', port] = address.split(':')
  const socket = connect({ host, port: Number(port) })
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`${address} does not answer`)))
  try {
    await once(socket, 'connect')
    socket.write(encoder().writeBytes(request(question)).buffer)
    let got = Buffer.alloc(0)
    for await (const bytes of socket) {
      got = Buffer.concat([got, bytes as Buffer])
      if (got.length < 4 || got.length < 4 + got.readInt32BE(0)) continue
      // The correlation id, and no tagged fields.
      return new KafkaDecoder(got.subarray(question.isFlexible === true ? 9 : 8))
    }
    throw new Error(`${address} has hung up`)
  } finally {
    socket.destroy()
  }
}

function request({ api, version, body, isFlexible = false }: Question): Buffer {
  const header = encoder().writeInt16(api).writeInt16(version).writeInt32(0).writeString('test')
  return (isFlexible ? header.writeInt8(0) : header).writeEncoder(body).buffer
}
