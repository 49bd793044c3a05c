import { ask, encoder } from './ask.ts'
import { until } from './cluster.ts'

// Client quotas (KIP-13), set as an operator does (AlterClientQuotas, KIP-546).

const ALTER_CLIENT_QUOTAS = 49
const DESCRIBE_CLIENT_QUOTAS = 48
const EXACTLY = 0

/**
 * How many bytes of records a client may write in a second; `null`: as many as it likes. Resolves
 * when the broker knows it.
 */
export async function limitProducer(
  address: string,
  clientId: string,
  bytesPerSecond: number | null,
): Promise<void> {
  const body = encoder().writeInt32(1)
  body.writeInt32(1).writeString('client-id').writeString(clientId)
  body.writeInt32(1).writeString('producer_byte_rate')
  body
    .writeDouble(bytesPerSecond ?? 0)
    .writeBoolean(bytesPerSecond === null)
    .writeBoolean(false)
  const answer = await ask(address, { api: ALTER_CLIENT_QUOTAS, version: 0, body })
  answer.readInt32()
  const [code] = answer.readArray((entry) => entry.readInt16())
  if (code !== 0) throw new Error(`the quota is not taken: code ${code}`)
  const isKnown = async () => (await limitOf(address, clientId)) === bytesPerSecond
  await until('bound by the quota', isKnown)
}

async function limitOf(address: string, clientId: string): Promise<number | null> {
  const body = encoder().writeInt32(1)
  body.writeString('client-id').writeInt8(EXACTLY).writeString(clientId).writeBoolean(false)
  const answer = await ask(address, { api: DESCRIBE_CLIENT_QUOTAS, version: 0, body })
  answer.readInt32()
  answer.readInt16()
  answer.readString()
  const limits = answer.readArray((entry) => {
    entry.readArray((entity) => [entity.readString(), entity.readString()])
    return entry.readArray((value) => [value.readString(), value.readDouble()] as const)
  })
  return new Map(limits.flat()).get('producer_byte_rate') ?? null
}
