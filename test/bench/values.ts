import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import avro, { type Schema } from 'avsc'
import protobuf from 'protobufjs'
import { Payment } from '../../topologies/payment.ts'

// The payments in other formats than JSON, and a registry that has their schemas.

/** Formats of the values of payments. */
export const VALUES = ['json', 'avro', 'protobuf'] as const

export type Values = (typeof VALUES)[number]

/** Makes a value of a payment in JSON. One that is malformed stays so: it ends behind its id. */
export type Encode = (json: Buffer) => Buffer

/** The id of their schema. */
export const ID = 1
/** The wire format's zero byte, and the id. */
export const PREFIX = Buffer.of(0, 0, 0, 0, ID)
/** `Payment` is the second message of its file. */
const INDEXES = Buffer.of(2, 2)

/** The text of their schema. */
export function schemaOf(values: Exclude<Values, 'json'>): string {
  const file = values === 'avro' ? 'payment-1.avsc' : 'payment-1.proto'
  return readFileSync(new URL(`../services/serializers/schemas/${file}`, import.meta.url), 'utf8')
}

type Payment = ReturnType<typeof Payment.parse>

/** The functions of a format's own library for a payment. */
interface Library {
  readonly encode: (payment: Payment) => Buffer
  readonly decode: (payload: Buffer) => unknown
}

/** avsc or protobufjs, without the schema's id. */
export function libraryOf(values: Exclude<Values, 'json'>): Library {
  const text = schemaOf(values)
  if (values === 'avro') {
    const type = avro.Type.forSchema(JSON.parse(text) as Schema)
    return {
      encode: (payment) => type.toBuffer(payment),
      decode: (payload) => type.fromBuffer(payload),
    }
  }
  const type = protobuf.parse(text).root.lookupType('cards.Payment')
  return {
    encode: (payment) => Buffer.concat([INDEXES, type.encode(payment).finish()]),
    decode: (payload) => type.decode(payload.subarray(INDEXES.length)),
  }
}

/** Encodes payments for a topic. */
export function encoderOf(values: Values): Encode {
  if (values === 'json') return (json) => json
  const { encode } = libraryOf(values)
  return (json) => {
    const payment = paymentIn(json)
    return payment === null ? PREFIX : Buffer.concat([PREFIX, encode(payment)])
  }
}

/** The payment in a value. `null`: it is malformed. */
export function paymentIn(json: Buffer): Payment | null {
  try {
    return Payment.safeParse(JSON.parse(String(json))).data ?? null
  } catch {
    return null
  }
}

/**
 * Calls `work` with the flags of a worker that reads such values. A worker asks for a schema once,
 * so a registry of one schema in this process is as good as a real one.
 */
export async function withSchema<R>(
  values: Values,
  work: (flags: readonly string[]) => Promise<R>,
): Promise<R> {
  if (values === 'json') return work([])
  const schemaType = values === 'avro' ? 'AVRO' : 'PROTOBUF'
  const body = JSON.stringify({ schemaType, schema: schemaOf(values) })
  const server = createServer((request, response) => {
    const isKnown = request.url === `/schemas/ids/${ID}`
    response.writeHead(isKnown ? 200 : 404, { 'Content-Type': 'application/json' })
    response.end(isKnown ? body : '{"error_code":40403,"message":"Schema not found"}')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  try {
    const { port } = server.address() as AddressInfo
    return await work(['--registry', `http://127.0.0.1:${port}`])
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
