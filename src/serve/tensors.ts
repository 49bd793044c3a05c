import { setImmediate as nextTurn } from 'node:timers/promises'
import { isJsonObject } from '../kernel/json.ts'
import type { ModelDefinition } from '../topology/models.ts'
import { RequestFault } from './request-fault.ts'

// Tensors of the Open Inference Protocol, version 2, in JSON and in binary (Triton's extension
// `binary_tensor_data`): github.com/kserve/open-inference-protocol.

/** Length of the JSON in front of binary tensors, bytes. */
export const JSON_LENGTH = 'inference-header-content-length'
const FLOAT32_BYTES = 4
/** Numbers of an answer that are brought into form in one turn. */
const TURN = 2 ** 14

interface WantedOutput {
  readonly name: string
  readonly isBinary: boolean
}

type Fields = Readonly<Record<string, unknown>>

/** The rows of a request, row-major, and its wanted outputs. @throws RequestFault 400, with the place */
export function readRequest(
  body: Buffer,
  jsonLength: unknown,
  model: Pick<ModelDefinition, 'input' | 'features' | 'outputs'>,
) {
  const jsonBytes = jsonLength === undefined ? body.length : Number(jsonLength)
  if (!Number.isInteger(jsonBytes) || jsonBytes < 0 || jsonBytes > body.length) {
    throw bad('is no number of bytes of the body', JSON_LENGTH)
  }
  const { id, inputs, outputs, parameters } = objectOf(parsed(body.subarray(0, jsonBytes)), 'body')
  if (id !== undefined && typeof id !== 'string') throw bad('is not a text', 'id')
  const [input, ...others] = listOf(inputs, 'inputs')
  if (input === undefined || others.length > 0) throw bad('has not one tensor', 'inputs')
  return {
    id,
    rows: rowsOf(objectOf(input, 'inputs[0]'), body.subarray(jsonBytes), model),
    wanted: wantedOf(outputs, isTrue(parameters, 'binary_data_output'), Object.keys(model.outputs)),
  }
}

/** Parses JSON. @throws RequestFault 400 */
export function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown
  } catch {
    throw bad('is not JSON', 'body')
  }
}

export function objectOf(value: unknown, where: string): Fields {
  if (isJsonObject(value)) return value
  throw bad('is not an object', where)
}

export function listOf(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw bad('is not a list', where)
}

function bad(message: string, where: string): RequestFault {
  return new RequestFault(400, message, { where })
}

function isTrue(parameters: unknown, name: string): boolean {
  return parameters !== undefined && objectOf(parameters, 'parameters')[name] === true
}

function rowsOf(
  tensor: Fields,
  binary: Buffer,
  model: Pick<ModelDefinition, 'input' | 'features'>,
): Float32Array {
  const { features } = model
  const input = inputName(model)
  const { name, datatype, shape, data, parameters } = tensor
  if (name !== input) throw bad(`is not "${input}"`, 'inputs[0].name')
  if (datatype !== 'FP32') throw bad('is not FP32', 'inputs[0].datatype')
  const [count = 0, width, ...more] = listOf(shape, 'inputs[0].shape') as readonly number[]
  const hasRows = Number.isSafeInteger(count) && count > 0
  if (!hasRows || width !== features.length || more.length > 0) {
    throw bad(`is not [rows, ${features.length}]`, 'inputs[0].shape')
  }
  const length = count * features.length
  const size = parameters === undefined ? undefined : objectOf(parameters, 'inputs[0].parameters')
  const bytes = size?.['binary_data_size']
  if (bytes === undefined) {
    if (binary.length > 0) throw bad('has bytes that are of no tensor', 'body')
    return float32(data, { count, width, where: 'inputs[0].data' })
  }
  if (bytes !== length * FLOAT32_BYTES || bytes !== binary.length) {
    const fault = `is not ${length * FLOAT32_BYTES}, or the body has not so many behind its JSON`
    throw bad(fault, 'inputs[0].parameters.binary_data_size')
  }
  const rows = new Float32Array(length)
  binary.copy(Buffer.from(rows.buffer))
  const unfit = rows.findIndex((number) => !Number.isFinite(number))
  if (unfit >= 0) throw bad('is not finite', `inputs[0].data[${unfit}]`)
  return rows
}

/** A model of several inputs takes one tensor, too: its features in their order. */
export function inputName({ input }: Pick<ModelDefinition, 'input'>): string {
  return typeof input === 'string' ? input : 'features'
}

type Rows = Readonly<{ count: number; width: number; where: string }>

/** @param source all numbers in one list, or a list for each row @throws RequestFault 400 */
export function float32(source: unknown, { count, width, where }: Rows): Float32Array {
  const list = listOf(source, where)
  if (!Array.isArray(list[0])) return numbersOf(list, count * width, where)
  if (list.length !== count) throw bad(`has not ${count} rows`, where)
  const rows = new Float32Array(count * width)
  for (const [row, numbers] of list.entries()) {
    rows.set(numbersOf(numbers, width, `${where}[${row}]`), row * width)
  }
  return rows
}

function numbersOf(source: unknown, length: number, where: string): Float32Array {
  const list = listOf(source, where)
  if (list.length !== length) throw bad(`has not ${length} numbers`, where)
  const numbers = new Float32Array(length)
  for (let i = 0; i < length; i++) {
    const number = list[i]
    numbers[i] = typeof number === 'number' ? number : Number.NaN
    if (!Number.isFinite(numbers[i])) throw bad('is not a number of float32', `${where}[${i}]`)
  }
  return numbers
}

function wantedOf(outputs: unknown, isBinary: boolean, names: readonly string[]) {
  if (outputs === undefined) return names.map((name) => ({ name, isBinary }))
  const left = new Set<unknown>(names)
  return listOf(outputs, 'outputs').map((output, i) => {
    const { name, parameters } = objectOf(output, `outputs[${i}]`)
    if (!left.delete(name)) {
      throw bad(`is none of ${names.join(', ')}, or named twice`, `outputs[${i}].name`)
    }
    const isOwn = parameters === undefined ? isBinary : isTrue(parameters, 'binary_data')
    return { name: name as string, isBinary: isOwn }
  })
}

/** How scores are sent: FP32 where the model's file has float32. */
export type Datatype = keyof typeof ARRAYS
const ARRAYS = { FP32: Float32Array, FP64: Float64Array }
/** The longest number in JSON with its comma: `-0.0000012345678901234567,`. */
export const JSON_BYTES = 26

export interface OutputTensor extends WantedOutput {
  readonly datatype: Datatype
  readonly shape: readonly number[]
  /** Numbers of each row; a float32 as the shortest decimal that gives it. */
  readonly columns: readonly [Float64Array, ...Float64Array[]]
}

/** The most bytes that an answer has for a number. */
export function numberBytes({ isBinary, datatype }: Pick<OutputTensor, 'isBinary' | 'datatype'>) {
  return isBinary ? ARRAYS[datatype].BYTES_PER_ELEMENT : JSON_BYTES
}

/**
 * The body of an answer in pieces, and its headers. Pieces are made in turns between which others
 * work; an allocator that has freed large ones would keep as much.
 */
export async function writeReply(about: object, tensors: readonly OutputTensor[]) {
  const json: Buffer[] = []
  const binary: Buffer[] = []
  let text = `${JSON.stringify(about).slice(0, -1)},"outputs":[`
  for (const [i, { name, datatype, shape, columns, isBinary }] of tensors.entries()) {
    const rows = columns[0].length
    const bytes = rows * columns.length * numberBytes({ isBinary, datatype })
    const parameters = { binary_data_size: bytes }
    const head = { name, datatype, shape, ...(isBinary && { parameters }) }
    text += (i > 0 ? ',' : '') + JSON.stringify(head).slice(0, -1)
    if (!isBinary) text += ',"data":['
    const turn = Math.ceil(TURN / columns.length)
    for (let from = 0; from < rows; from += turn) {
      if (from > 0) await nextTurn()
      const numbers = rowMajor(columns, from, Math.min(rows, from + turn))
      if (isBinary) {
        binary.push(Buffer.from(new ARRAYS[datatype](numbers).buffer))
        continue
      }
      if (from > 0) {
        json.push(Buffer.from(`${text},`))
        text = ''
      }
      text += numbers.join()
    }
    text += isBinary ? '}' : ']}'
  }
  json.push(Buffer.from(`${text}]}`))
  const body = [...json, ...binary]
  if (binary.length === 0) return { body, headers: { 'content-type': 'application/json' } }
  const jsonBytes = json.reduce((sum, { length }) => sum + length, 0)
  return { body, headers: { [JSON_LENGTH]: String(jsonBytes) } }
}

function rowMajor(columns: OutputTensor['columns'], from: number, to: number): Float64Array {
  const width = columns.length
  if (width === 1) return columns[0].subarray(from, to)
  const numbers = new Float64Array((to - from) * width)
  for (const [i, column] of columns.entries()) {
    for (let row = from; row < to; row++) numbers[(row - from) * width + i] = column[row] as number
  }
  return numbers
}
