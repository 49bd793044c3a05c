import protobuf from 'protobufjs'

// Reads the messages of an ONNX file that say how a model computes.

export interface OnnxNode {
  /** With its domain, unless that is ONNX's own: `ai.onnx.ml.Scaler`. */
  readonly operator: string
  /** An omitted input is ''. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, OnnxAttribute>
}

/** Only values of its own type are filled in. */
export interface OnnxAttribute {
  readonly name: string
  readonly float: number
  /** An object: an omitted 0. */
  readonly whole: number | object
  readonly text: string
  readonly tensor: OnnxTensor | null
  readonly floats: readonly number[]
  readonly wholes: readonly number[]
  readonly texts: readonly string[]
}

/** Its numbers are in one of the lists or in `raw`. */
export interface OnnxTensor {
  readonly name: string
  readonly type: number
  readonly dims: readonly number[]
  readonly floats: readonly number[]
  readonly ints: readonly number[]
  readonly wholes: readonly number[]
  readonly raw: Uint8Array
  /** Not 0: in another file. */
  readonly isElsewhere: number
}

export interface OnnxValue {
  readonly name: string
  /** `float32`, `int64`, …; `null`: not a tensor but, for example, a ZipMap's list of dictionaries. */
  readonly type: string | null
  /** A number is a fixed size, a string a free one. Empty: the file does not say. */
  readonly shape: readonly (number | string)[]
}

export interface OnnxModel {
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly nodes: readonly OnnxNode[]
  readonly constants: ReadonlyMap<string, OnnxTensor>
}

export const ELEMENT = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float64: 11,
} as const

const ELEMENT_NAMES = new Map<number, string>(
  Object.entries(ELEMENT).map(([name, type]) => [type, name]),
)

/** Numbers and types of the fields: onnx/onnx.proto of ONNX. Its names are not in a file. */
const { root } = protobuf.parse(`
  syntax = "proto2";
  message Model { optional int64 version = 1; optional Graph graph = 7; repeated Opset opsets = 8; }
  message Opset { optional string domain = 1; optional int64 version = 2; }
  message Graph {
    repeated Node nodes = 1; optional string name = 2; repeated Tensor constants = 5;
    repeated Value inputs = 11; repeated Value outputs = 12;
  }
  message Node {
    repeated string inputs = 1; repeated string outputs = 2; optional string operator = 4;
    repeated Attribute attributes = 5; optional string domain = 7;
  }
  message Attribute {
    optional string name = 1; optional float float = 2; optional int64 whole = 3;
    optional string text = 4; optional Tensor tensor = 5; repeated float floats = 7;
    repeated int64 wholes = 8; repeated string texts = 9; optional int32 type = 20;
  }
  message Tensor {
    repeated int64 dims = 1; optional int32 type = 2; repeated float floats = 4;
    repeated int32 ints = 5; repeated int64 wholes = 7; optional string name = 8;
    optional bytes raw = 9; optional int32 isElsewhere = 14;
  }
  message Placement { repeated Entry entries = 13; optional int32 isElsewhere = 14; }
  message Entry { optional string key = 1; optional string value = 2; }
  message Value { optional string name = 1; optional Type type = 2; }
  message Type { optional TensorType tensor = 1; }
  message TensorType { optional int32 type = 1; optional Shape shape = 2; }
  message Shape { repeated Dim dims = 1; }
  message Dim { optional int64 size = 1; optional string name = 2; }
`)
export const ONNX = root.lookupType('Model')
/** An attribute without a value. */
export const NO_ATTRIBUTE: OnnxAttribute = {
  ...{ name: '', float: 0, whole: 0, text: '', tensor: null },
  ...{ floats: [], wholes: [], texts: [] },
}

interface Graph {
  readonly nodes: readonly Node[]
  readonly constants: readonly OnnxTensor[]
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
}

interface Node extends Omit<OnnxNode, 'attributes'> {
  readonly domain: string
  readonly attributes: readonly OnnxAttribute[]
}

interface Value {
  readonly name: string
  readonly type: { readonly tensor: TensorType | null } | null
}

interface TensorType {
  readonly type: number
  readonly shape: { readonly dims: readonly { size: number; name: string }[] } | null
}

/** @throws Error when the bytes are not an ONNX file */
export function readOnnx(bytes: Uint8Array): OnnxModel {
  const reader = protobuf.Reader.create(bytes)
  const withWholes = Object.assign(reader, { int64: () => wholeFrom(reader) })
  const { graph } = ONNX.decode(withWholes) as unknown as { graph: Graph | null }
  if (graph === null) return { inputs: [], outputs: [], nodes: [], constants: new Map() }
  const constants = new Map(graph.constants.map((tensor) => [tensor.name, tensor]))
  // Older files list constants among the inputs too.
  const inputs = graph.inputs.filter(({ name }) => !constants.has(name))
  return {
    inputs: inputs.map(valueOf),
    outputs: graph.outputs.map(valueOf),
    nodes: graph.nodes.map(nodeOf),
    constants,
  }
}

function valueOf({ name, type }: Value): OnnxValue {
  const tensor = type?.tensor ?? null
  if (tensor === null) return { name, type: null, shape: [] }
  const dims = tensor.shape?.dims ?? []
  const shape = dims.map((dim) => (Object.hasOwn(dim, 'size') ? dim.size : dim.name))
  // Others are neither rows nor scores.
  return { name, type: ELEMENT_NAMES.get(tensor.type) ?? `element ${tensor.type}`, shape }
}

function nodeOf({ domain, operator, inputs, outputs, attributes }: Node): OnnxNode {
  const isOwn = domain === '' || domain === 'ai.onnx'
  return {
    operator: isOwn ? operator : `${domain}.${operator}`,
    inputs,
    outputs,
    attributes: new Map(attributes.map((attribute) => [attribute.name, attribute])),
  }
}

/** Row-major; `null`: external data, or an unsupported type. */
export function valuesOf(tensor: OnnxTensor): readonly number[] | null {
  const { type, dims, floats, ints, wholes, raw, isElsewhere } = tensor
  const listed = [floats, ints, wholes].find((list) => list.length > 0) ?? []
  const values = raw.length > 0 ? rawValues(raw, type) : listed
  const count = dims.reduce((product, dim) => product * dim, 1)
  return isElsewhere === 0 && values?.length === count ? values : null
}

function rawValues(raw: Uint8Array, type: number): readonly number[] | null {
  const { buffer } = Uint8Array.from(raw)
  switch (type) {
    case ELEMENT.float32:
      return [...new Float32Array(buffer)]
    case ELEMENT.int64:
      return Array.from(new BigInt64Array(buffer), Number)
    case ELEMENT.int32:
      return [...new Int32Array(buffer)]
    default:
      return null
  }
}

const MORE = 0x80

/** An integer, rounded beyond 2^53. Nearly all of an ensemble's thousands have one or two bytes. */
function wholeFrom(from: protobuf.Reader): number {
  const { buf, pos } = from
  const first = buf[pos] ?? MORE
  if (first < MORE) {
    from.pos = pos + 1
    return first
  }
  const second = buf[pos + 1] ?? MORE
  if (second >= MORE) return Number(protobuf.Reader.prototype.int64.call(from))
  from.pos = pos + 2
  return first - MORE + second * MORE
}
