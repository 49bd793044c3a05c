import protobuf, { type NamespaceBase, type Root, type Type } from 'protobufjs'
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor.js'
import type { NamedSchema } from '../../registry/schema-registry.ts'
import { PayloadCursor, Refusal, refusalOf } from '../payload-cursor.ts'

// Reads the files of a Protobuf schema, as they were registered: the client of Java registers text,
// that of Python descriptors, in base64.

const { FileDescriptorProto } = descriptor
/**
 * Statements and blocks of a schema and its imports, or fields in descriptors. The library takes 0.2
 * s for so many fields of one message, and four times as long for twice as many.
 */
const MOST_MEMBERS = 1_500

/**
 * Reads the outer messages of a file. Fields get their names in JSON.
 * @param imported files, as text or descriptors like it; Protobuf's own come from the library
 * @throws Error its fault
 */
export function readProtoFile(file: string, imported: readonly NamedSchema[]): Type[] {
  const isDescriptor = !/[^\w+/=\s]/.test(file)
  const others = imported.filter(({ name }) => protobuf.common.get(name) === null)
  const texts = others.map(({ text }) => text)
  if (!isDescriptor) checkMembers([file, ...texts].join('').split(/[;{]/).length - 1)
  return isDescriptor ? fromDescriptors(file, texts) : fromTexts(file, texts)
}

/** The messages in a namespace, in the order of the file. */
function messagesIn(namespace: NamespaceBase): Type[] {
  return namespace.nestedArray.filter((each) => each instanceof protobuf.Type)
}

export function messageName({ fullName }: Type): string {
  return fullName.replace(/^\./, '')
}

function fromTexts(file: string, imported: readonly string[]): Type[] {
  const root = new protobuf.Root()
  const read = (text: string) => protobuf.parse(text, root, { keepCase: true })
  // Read before its imports, because these may be of the same package.
  const parsed = read(file)
  const { package: inside = '' } = parsed
  const namespace = inside === '' ? root : (root.lookup(inside) as NamespaceBase)
  const messages = messagesIn(namespace).map(({ name }) => name)
  const names = new Set([parsed, ...imported.map(read)].flatMap(({ imports }) => imports ?? []))
  for (const name of names) root.addJSON(protobuf.common.get(name)?.nested ?? {})
  return messagesNamed(root, inside, messages)
}

function fromDescriptors(file: string, imported: readonly string[]): Type[] {
  const files = [...imported, file].map(
    (base64) =>
      FileDescriptorProto.decode(Buffer.from(base64, 'base64')) as unknown as IFileDescriptorProto,
  )
  checkMembers(files.reduce((sum, { messageType }) => sum + fieldsIn(messageType), 0))
  const names = new Set(files.flatMap(({ dependency }) => dependency as string[]))
  const all = [...[...names].flatMap(descriptorsOf), ...files]
  const { package: inside = '', messageType = [] } = files.at(-1) as IFileDescriptorProto
  const messages = messageType.map(({ name = '' }) => name)
  const root = protobuf.Root.fromDescriptor({ file: all }, { keepCase: true })
  return messagesNamed(root, inside, messages)
}

function checkMembers(members: number): void {
  if (members <= MOST_MEMBERS) return
  const parts = `${members} fields, messages and other parts`
  throw new Error(`it has ${parts}, the maximum is ${MOST_MEMBERS}`)
}

function fieldsIn(messages: readonly IDescriptorProto[] = []): number {
  return messages.reduce(
    (sum, { field = [], nestedType }) => sum + 1 + field.length + fieldsIn(nestedType),
    0,
  )
}

/** The descriptors of a file of Protobuf's own; empty: it is not one. */
function descriptorsOf(name: string): readonly IFileDescriptorProto[] {
  const json = protobuf.common.get(name)
  return json === null ? [] : (protobuf.Root.fromJSON(json).toDescriptor('proto3').file ?? [])
}

/** @throws Error a name in it does not exist, or cannot exist */
function messagesNamed(root: Root, inside: string, messages: readonly string[]): Type[] {
  nameFields(root)
  root.resolveAll()
  const within = inside === '' ? [] : inside.split('.')
  return messages.map((name) => root.lookupType([...within, name]))
}

/** Gives fields the names that they have in JSON. */
function nameFields({ nestedArray }: NamespaceBase): void {
  for (const each of nestedArray) {
    if (each instanceof protobuf.Type) nameFieldsOf(each)
    if (each instanceof protobuf.Namespace) nameFields(each)
  }
}

function nameFieldsOf(type: Type): void {
  const { oneofsArray: oneofs } = type
  // Fields of extensions have full names.
  const fields = type.fieldsArray.filter(({ declaringField }) => declaringField === null)
  const names = fields.map(({ name, jsonName }) => jsonName || protobuf.util.jsonName(name))
  if (new Set(names).size < names.length) throw new Error('two fields have one name in JSON')
  if (names.includes('__proto__')) throw new Error('a field is named __proto__')
  // Reserved names are names in the file, not in JSON.
  type.reserved = []
  for (const field of fields) type.remove(field)
  for (const [i, field] of fields.entries()) {
    field.name = names[i] as string
    type.add(field)
  }
  for (const { oneof, fieldsArray } of oneofs) {
    oneof.splice(0, oneof.length, ...fieldsArray.map(({ name }) => name))
  }
}

export interface PlacedMessage {
  readonly type: Type
  /** The index of a message in its file, then of one nested in it, and so on. */
  readonly indexes: readonly number[]
}

/** Messages of a file, and those nested in them. */
export function placedMessages(messages: readonly Type[]): PlacedMessage[] {
  const nested = (placed: PlacedMessage): PlacedMessage[] => [
    placed,
    ...messagesIn(placed.type).flatMap((type, i) =>
      nested({ type, indexes: [...placed.indexes, i] }),
    ),
  ]
  return messages.flatMap((type, i) => nested({ type, indexes: [i] }))
}

/** Deeper messages are not real. */
const MOST_INDEXES = 64

const cursor = new PayloadCursor()

/**
 * Reads the indexes before a message, if there are any: their number and each as a zigzag varint; a
 * single 0 is the first message. (Confluent Platform, "Formats, Serializers, and Deserializers".)
 */
export function readMessageIndexes(payload: Uint8Array) {
  cursor.begin(payload, 0, payload.length)
  let indexes = [0]
  const refusal = refusalOf(() => {
    const count = cursor.signed()
    if (count < 0 || count > MOST_INDEXES) throw new Refusal('it has too many indexes')
    if (count > 0) indexes = Array.from({ length: count }, () => cursor.signed())
  }, cursor)
  const isRefused = refusal !== null || indexes.some((index) => index < 0)
  return isRefused ? null : { indexes, start: cursor.at }
}

/** Writes the bytes that {@link readMessageIndexes} reads. */
export function messageIndexBytes(indexes: readonly number[]): Buffer {
  if (indexes.length === 1 && indexes[0] === 0) return Buffer.of(0)
  return Buffer.from([indexes.length, ...indexes].flatMap(zigzagVarint))
}

function zigzagVarint(number: number): number[] {
  const bytes: number[] = []
  let rest = number * 2
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return [...bytes, rest]
}
