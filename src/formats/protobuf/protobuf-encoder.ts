import type { Type } from 'protobufjs'
import type { WholeSchema } from '../../registry/schema-registry.ts'
import { checkedEncode } from '../fit.ts'
import type { PayloadEncoder } from '../registry/payload-encoder.ts'
import { messageIndexBytes } from '../registry/wire-format.ts'
import { messagesIn, type ProtoFile, readProtoFile } from './proto-files.ts'
import { protobufFit } from './protobuf-fit.ts'

/**
 * Encodes values of one message of a Protobuf schema.
 * @param message its name; `null`: the schema has one message only
 * @throws Error what is wrong with the schema, or that it has no such message
 */
export function protobufEncoder(
  { text, references }: WholeSchema,
  message: string | null,
): PayloadEncoder {
  const { type, indexes } = chosen(placedMessages(readProtoFile(text, references)), message)
  const name = nameOf(type)
  const before = messageIndexBytes(indexes)
  const encode = (value: unknown) =>
    Buffer.concat([before, type.encode(type.fromObject(value as object)).finish()])
  return {
    type: name,
    encode: checkedEncode(`Protobuf message ${name}`, protobufFit(type), encode),
  }
}

/** A message, and where it is in its file. */
interface PlacedMessage {
  readonly type: Type
  readonly indexes: readonly number[]
}

function placedMessages({ messages }: ProtoFile): PlacedMessage[] {
  const nested = (placed: PlacedMessage): PlacedMessage[] => [
    placed,
    ...messagesIn(placed.type).flatMap((type, i) =>
      nested({ type, indexes: [...placed.indexes, i] }),
    ),
  ]
  return messages.flatMap((type, i) => nested({ type, indexes: [i] }))
}

/** @throws Error it is not one message, with the names of all */
function chosen(all: readonly PlacedMessage[], message: string | null): PlacedMessage {
  const [first, second] = message === null ? outermost(all) : namedBy(all, message)
  if (first !== undefined && second === undefined) return first
  const names = all.map(({ type }) => nameOf(type)).join(', ') || 'no message'
  if (message === null) throw new Error(`name the message that is written: it has ${names}`)
  const what = first === undefined ? 'no message' : 'more than one message'
  throw new Error(`${what} is named "${message}": it has ${names}`)
}

function outermost(all: readonly PlacedMessage[]): readonly PlacedMessage[] {
  return all.filter(({ indexes }) => indexes.length === 1)
}

/** The message with this full name, or else those whose names end in it. */
function namedBy(all: readonly PlacedMessage[], name: string): readonly PlacedMessage[] {
  const exact = all.filter(({ type }) => nameOf(type) === name)
  return exact.length > 0 ? exact : all.filter(({ type }) => nameOf(type).endsWith(`.${name}`))
}

function nameOf(type: Type): string {
  return type.fullName.replace(/^\./, '')
}
