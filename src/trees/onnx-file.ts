import protobuf from 'protobufjs/minimal.js'

// Reads the messages of an ONNX file that say how a model computes. Field numbers and types:
// onnx/onnx.proto3 of ONNX.

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
  readonly float: number | null
  readonly whole: number | null
  readonly text: string | null
  readonly tensor: OnnxTensor | null
  readonly floats: readonly number[]
  readonly wholes: readonly number[]
  readonly texts: readonly string[]
}

export interface OnnxTensor {
  readonly name: string
  readonly type: number
  readonly dims: readonly number[]
  /** Row-major; `null`: external data, or an unsupported type. */
  readonly values: readonly number[] | null
}

export interface OnnxValue {
  readonly name: string
  /** Element type; `null`: not a tensor. */
  readonly type: number | null
  /** A number is a fixed size, a string a free one. */
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

type Reader = protobuf.Reader
/** By field number; `wire`: how the field is written. */
type Fields = Readonly<Record<number, (from: Reader, wire: number) => void>>

const MORE = 0x80

const WITH_LENGTH = 2

/** @throws Error when the bytes are not an ONNX file */
export function readOnnx(bytes: Uint8Array): OnnxModel {
  const nodes: OnnxNode[] = []
  const constants = new Map<string, OnnxTensor>()
  const inputs: OnnxValue[] = []
  const outputs: OnnxValue[] = []
  const graph: Fields = {
    1: (from) => nodes.push(nodeFrom(from)),
    5: (from) => {
      const tensor = tensorFrom(from)
      constants.set(tensor.name, tensor)
    },
    11: (from) => inputs.push(valueFrom(from)),
    12: (from) => outputs.push(valueFrom(from)),
  }
  const reader = protobuf.Reader.create(bytes)
  readFields(reader, bytes.length, { 7: (from) => readMessage(from, graph) })
  // Older files list constants among the inputs too.
  const given = inputs.filter(({ name }) => !constants.has(name))
  return { inputs: given, outputs, nodes, constants }
}

function valueFrom(from: Reader): OnnxValue {
  const shape: (number | string)[] = []
  let [name, type]: [string, number | null] = ['', null]
  const dim: Fields = {
    1: (r) => shape.splice(-1, 1, wholeFrom(r)),
    2: (r) => shape.splice(-1, 1, r.string()),
  }
  const dims: Fields = {
    1: (r) => {
      shape.push('')
      readMessage(r, dim)
    },
  }
  const tensor: Fields = {
    1: (r) => {
      type = r.int32()
    },
    2: (r) => readMessage(r, dims),
  }
  readMessage(from, {
    1: (r) => {
      name = r.string()
    },
    2: (r) => readMessage(r, { 1: (of) => readMessage(of, tensor) }),
  })
  return { name, type, shape }
}

function nodeFrom(from: Reader): OnnxNode {
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes = new Map<string, OnnxAttribute>()
  let [type, domain] = ['', '']
  readMessage(from, {
    1: (r) => inputs.push(r.string()),
    2: (r) => outputs.push(r.string()),
    4: (r) => {
      type = r.string()
    },
    5: (r) => {
      const { name, ...attribute } = attributeFrom(r)
      attributes.set(name, attribute)
    },
    7: (r) => {
      domain = r.string()
    },
  })
  const isOwn = domain === '' || domain === 'ai.onnx'
  return { operator: isOwn ? type : `${domain}.${type}`, inputs, outputs, attributes }
}

function attributeFrom(from: Reader): OnnxAttribute & { readonly name: string } {
  const floats: number[] = []
  const wholes: number[] = []
  const texts: string[] = []
  let name = ''
  let [float, whole]: (number | null)[] = [null, null]
  let text: string | null = null
  let tensor: OnnxTensor | null = null
  readMessage(from, {
    1: (r) => {
      name = r.string()
    },
    2: (r) => {
      float = r.float()
    },
    3: (r) => {
      whole = wholeFrom(r)
    },
    4: (r) => {
      text = r.string()
    },
    5: (r) => {
      tensor = tensorFrom(r)
    },
    7: (r, wire) => addNumbers(floats, { from: r, wire }, floatFrom),
    8: (r, wire) => addNumbers(wholes, { from: r, wire }, wholeFrom),
    9: (r) => texts.push(r.string()),
  })
  return { name, float: float ?? null, whole: whole ?? null, text, tensor, floats, wholes, texts }
}

function tensorFrom(from: Reader): OnnxTensor {
  const dims: number[] = []
  const numbers: number[] = []
  let [name, type, isElsewhere] = ['', 0, false]
  let raw: Uint8Array | null = null
  readMessage(from, {
    1: (r, wire) => addNumbers(dims, { from: r, wire }, wholeFrom),
    2: (r) => {
      type = r.int32()
    },
    4: (r, wire) => addNumbers(numbers, { from: r, wire }, floatFrom),
    5: (r, wire) => addNumbers(numbers, { from: r, wire }, (one) => one.int32()),
    7: (r, wire) => addNumbers(numbers, { from: r, wire }, wholeFrom),
    8: (r) => {
      name = r.string()
    },
    9: (r) => {
      raw = r.bytes()
    },
    10: (r, wire) => addNumbers(numbers, { from: r, wire }, (one) => one.double()),
    14: (r) => {
      isElsewhere = r.int32() !== 0
    },
  })
  const values = isElsewhere ? null : raw === null ? numbers : rawValues(raw, type)
  const count = dims.reduce((product, dim) => product * dim, 1)
  return { name, type, dims, values: values?.length === count ? values : null }
}

function rawValues(raw: Uint8Array, type: number): readonly number[] | null {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  const every = (bytes: number, read: (at: number) => number) =>
    Array.from({ length: Math.floor(raw.byteLength / bytes) }, (_, i) => read(i * bytes))
  switch (type) {
    case ELEMENT.float32:
      return every(4, (at) => view.getFloat32(at, true))
    case ELEMENT.float64:
      return every(8, (at) => view.getFloat64(at, true))
    case ELEMENT.int64:
      return every(8, (at) => Number(view.getBigInt64(at, true)))
    case ELEMENT.int32:
      return every(4, (at) => view.getInt32(at, true))
    case ELEMENT.uint8:
    case ELEMENT.bool:
      return [...raw]
    default:
      return null
  }
}

function readMessage(from: Reader, fields: Fields): void {
  const length = from.uint32()
  readFields(from, from.pos + length, fields)
}

function readFields(from: Reader, end: number, fields: Fields): void {
  if (end > from.len) throw new RangeError('a message ends beyond the end of the file')
  while (from.pos < end) {
    const tag = from.uint32()
    const wire = tag & 7
    // No field has this number: a file of zeros would be read byte by byte.
    if (tag >>> 3 === 0) throw new RangeError('a field has the number 0')
    const read = fields[tag >>> 3]
    if (read === undefined) from.skipType(wire)
    else read(from, wire)
  }
}

/** Appends the numbers of a repeated field: all if it is packed, otherwise one. */
function addNumbers(
  to: number[],
  { from, wire }: { readonly from: Reader; readonly wire: number },
  read: (from: Reader) => number,
): void {
  if (wire !== WITH_LENGTH) {
    to.push(read(from))
    return
  }
  const length = from.uint32()
  const end = from.pos + length
  while (from.pos < end) to.push(read(from))
}

function floatFrom(from: Reader): number {
  return from.float()
}

/** An integer, rounded beyond 2^53. Nearly all of an ensemble's thousands have one or two bytes. */
function wholeFrom(from: Reader): number {
  const { buf, pos } = from
  const first = buf[pos] ?? MORE
  if (first < MORE) {
    from.pos = pos + 1
    return first
  }
  const second = buf[pos + 1] ?? MORE
  if (second >= MORE) return Number(from.int64())
  from.pos = pos + 2
  return first - MORE + second * MORE
}
