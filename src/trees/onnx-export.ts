import protobuf from 'protobufjs'
import { ELEMENT, ONNX } from './onnx-file.ts'

// An ONNX file as exporters write it by default: ZipMap behind a classifier, weights in other
// files. Its bytes are rewritten field by field, because the schema of onnx-file.ts lacks fields
// that must stay.

export interface OnnxExport {
  /** The file, with a tensor in place of the list of dictionaries that a ZipMap makes. */
  readonly bytes: Buffer
  /** `null`: it had none. */
  readonly zipMap: ZipMap | null
  /** In the order in which the file names them. */
  readonly weightFiles: readonly WeightFile[]
}

export interface ZipMap {
  /** The output, float32[N, classes]. */
  readonly tensor: string
  /** Names of the classes; empty: the file has none. */
  readonly classes: readonly string[]
}

export interface WeightFile {
  /** Relative to the folder of the ONNX file. */
  readonly path: string
  /** Bytes that it has at least. */
  readonly length: number
}

/** Returns files that it cannot read, or that have several ZipMaps, as they are. */
export function readExport(bytes: Buffer): OnnxExport {
  try {
    const fields = fieldsOf(bytes)
    const graph = fields.find(({ number }) => number === FIELD.graph)
    const parts = fieldsOf(graph?.value ?? NOTHING)
    const weightFiles = weightFilesOf(parts)
    const [node, other] = parts.filter(isZipMap)
    if (node === undefined || other !== undefined) return { bytes, zipMap: null, weightFiles }
    const { zipMap, cast, output } = replacementsOf(node)
    const isOutput = ({ number, value }: Field) =>
      number === FIELD.output && nameOf(value ?? NOTHING) === zipMap.tensor
    const rewritten = parts.map((part) => {
      if (part === node) return cast
      return isOutput(part) ? output : part.whole
    })
    const whole = fields.map((field) =>
      field === graph ? encoded(FIELD.graph, Buffer.concat(rewritten)) : field.whole,
    )
    return { bytes: Buffer.concat(whole), zipMap, weightFiles }
  } catch {
    return { bytes, zipMap: null, weightFiles: [] }
  }
}

/** onnx/onnx.proto of ONNX: the graph of a model, the fields of that, and the operator of a node. */
const FIELD = { graph: 7, node: 1, operator: 4, constant: 5, output: 12 } as const
const WITH_LENGTH = 2
const NOTHING = new Uint8Array()

interface Field {
  readonly number: number
  /** With its tag. */
  readonly whole: Uint8Array
  /** `null`: a number. */
  readonly value: Uint8Array | null
}

/** @throws RangeError a length is beyond the end · Error a type that does not exist */
function fieldsOf(message: Uint8Array): Field[] {
  const reader = protobuf.Reader.create(message)
  const fields: Field[] = []
  while (reader.pos < reader.len) {
    const from = reader.pos
    const tag = reader.uint32()
    const hasLength = (tag & 7) === WITH_LENGTH
    const value = hasLength ? reader.bytes() : null
    if (!hasLength) reader.skipType(tag & 7)
    fields.push({ number: tag >>> 3, whole: message.subarray(from, reader.pos), value })
  }
  return fields
}

function encoded(number: number, value: Uint8Array): Uint8Array {
  const tag = (number << 3) | WITH_LENGTH
  return protobuf.Writer.create().uint32(tag).bytes(value).finish()
}

const [NODE, VALUE, PLACEMENT] = ['Node', 'Value', 'Placement'].map((type) =>
  ONNX.root.lookupType(type),
) as [protobuf.Type, protobuf.Type, protobuf.Type]
/** The type of an attribute that is an integer. */
const INTEGER = 2

function isZipMap({ number, value }: Field): boolean {
  if (number !== FIELD.node) return false
  const operator = fieldsOf(value ?? NOTHING).find((field) => field.number === FIELD.operator)
  return Buffer.from(operator?.value ?? NOTHING).toString() === 'ZipMap'
}

interface ZipMapNode {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: readonly {
    /** Numbers, or objects of the same text. */
    readonly wholes: readonly unknown[]
    readonly texts: readonly string[]
  }[]
}

/** A cast to float32, which ONNX Runtime omits where nothing changes, and the output's new type. */
function replacementsOf({ value }: Field) {
  const node = NODE.decode(value ?? NOTHING) as unknown as ZipMapNode
  const { inputs, outputs, attributes } = node
  const [tensor = ''] = outputs
  const classes = attributes.flatMap(({ wholes, texts }) => [...wholes.map(String), ...texts])
  const to = { name: 'to', whole: ELEMENT.float32, type: INTEGER }
  const cast = { operator: 'Cast', inputs, outputs, attributes: [to] }
  const dims = [{}, classes.length === 0 ? {} : { size: classes.length }]
  const output = { name: tensor, type: { tensor: { type: ELEMENT.float32, shape: { dims } } } }
  return {
    zipMap: { tensor, classes },
    cast: encoded(FIELD.node, NODE.encode(cast).finish()),
    output: encoded(FIELD.output, VALUE.encode(output).finish()),
  }
}

function nameOf(value: Uint8Array): string {
  return (VALUE.decode(value) as unknown as { readonly name: string }).name
}

interface Placement {
  readonly entries: readonly { readonly key: string; readonly value: string }[]
  /** Not 0: in another file. */
  readonly isElsewhere: number
}

function weightFilesOf(graph: readonly Field[]): WeightFile[] {
  const lengths = new Map<string, number>()
  for (const { number, value } of graph) {
    if (number !== FIELD.constant) continue
    const { isElsewhere, entries } = PLACEMENT.decode(value ?? NOTHING) as unknown as Placement
    if (isElsewhere === 0) continue
    const {
      location = '',
      offset = 0,
      length = 0,
    } = Object.fromEntries(entries.map((entry) => [entry.key, entry.value]))
    const end = Number(offset) + Number(length)
    lengths.set(location, Math.max(lengths.get(location) ?? 0, end))
  }
  return [...lengths].map(([path, length]) => ({ path, length }))
}
