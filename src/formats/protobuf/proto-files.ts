import protobuf, { type NamespaceBase, type Root, type Type } from 'protobufjs'
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor.js'
import type { NamedSchema } from '../../registry/schema-registry.ts'

// Reads the files of a Protobuf schema. A registry has them as they were registered: Java's client
// registers their text, Python's their descriptors, in base64.

const { FileDescriptorProto } = descriptor

/** The messages of a file. */
export interface ProtoFile {
  /** The file's types, and those that it imports. */
  readonly root: Root
  /** Full names of the messages that are not nested, in the order of the file. */
  readonly messages: readonly string[]
}

/**
 * Reads a file; names of fields become lowerCamelCase.
 * @param imported the files that it imports, all as text or all as descriptors, as the file is. Of
 * Protobuf's own files, which some clients register too, the library's are used
 * @throws Error what is wrong with it
 */
export function readProtoFile(file: string, imported: readonly NamedSchema[]): ProtoFile {
  const isDescriptor = /^[\w+/\s]+={0,2}\s*$/.test(file)
  const others = imported.filter(({ name }) => protobuf.common.get(name) === null)
  const texts = others.map(({ text }) => text)
  return isDescriptor ? fromDescriptors(file, texts) : fromTexts(file, texts)
}

/** The messages in a namespace or a message, in the order of the file. */
export function messagesIn(namespace: NamespaceBase): Type[] {
  return namespace.nestedArray.filter((each) => each instanceof protobuf.Type)
}

function fromTexts(file: string, imported: readonly string[]): ProtoFile {
  const root = new protobuf.Root()
  const all = [...imported, file]
  const names = new Set(all.flatMap((text) => protobuf.parse(text, root).imports ?? []))
  for (const name of names) root.addJSON(protobuf.common.get(name)?.nested ?? {})
  root.resolveAll()
  // Apart from the files that it imports, which may be of the same package.
  const { root: alone, package: inside } = protobuf.parse(file, new protobuf.Root())
  const namespace = inside === undefined ? alone : (alone.lookup(inside) as NamespaceBase)
  return { root, messages: messagesIn(namespace).map(({ fullName }) => fullName) }
}

function fromDescriptors(file: string, imported: readonly string[]): ProtoFile {
  const files = [...imported, file].map(
    (base64) =>
      FileDescriptorProto.decode(Buffer.from(base64, 'base64')) as unknown as IFileDescriptorProto,
  )
  const names = new Set(files.flatMap(({ dependency }) => dependency as string[]))
  for (const { messageType } of files) nameFields(messageType)
  const all = [...[...names].flatMap(descriptorsOf), ...files]
  const { package: inside = '', messageType = [] } = files.at(-1) as IFileDescriptorProto
  return {
    root: protobuf.Root.fromDescriptor({ file: all }),
    messages: messageType.map(({ name }) => `${inside === '' ? '' : `.${inside}`}.${name}`),
  }
}

/** The descriptors of one of Protobuf's own files; none: it is not one. */
function descriptorsOf(name: string): readonly IFileDescriptorProto[] {
  const known = protobuf.common.get(name)
  return known === null ? [] : (protobuf.Root.fromJSON(known).toDescriptor('proto3').file ?? [])
}

/** Sets the names of fields in JSON, which only some compilers set. */
function nameFields(messages: readonly IDescriptorProto[] = []): void {
  for (const { field = [], nestedType } of messages) {
    for (const each of field) each.jsonName ||= protobuf.util.camelCase(each.name ?? '')
    nameFields(nestedType)
  }
}
