import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  float,
  float64Array,
  integer,
  property,
  record,
  tuple,
} from 'fast-check'
import { expect, test } from 'vitest'
import { RequestFault } from '../../src/serve/request-fault.ts'
import {
  type Datatype,
  JSON_LENGTH,
  numberBytes,
  readRequest,
  writeReply,
} from '../../src/serve/tensors.ts'

const MODEL = {
  input: 'features',
  features: ['a', 'b', 'c'],
  outputs: {
    probability: { tensor: 'p', column: 0 },
    risk: { tensor: 'r', columns: ['low', 'high'] },
  },
} as const

type Tensor = Readonly<Record<string, unknown>>

function bodyOf(tensor: Tensor, more: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ inputs: [tensor], ...more }))
}

const TENSOR = { name: 'features', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3, 4, 5, 6] }

const rows = array(
  array(float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }),
  {
    minLength: 1,
    maxLength: 5,
  },
)

test('rows are the same flat, as rows and in binary', () => {
  assert(
    property(rows, (given) => {
      const flat = Float32Array.from(given.flat())
      const tensor = { name: 'features', shape: [given.length, 3], datatype: 'FP32' }
      const parameters = { binary_data_size: flat.byteLength }
      const json = bodyOf({ ...tensor, parameters })
      const binary = Buffer.concat([json, Buffer.from(flat.buffer)])
      const read = [
        readRequest(bodyOf({ ...tensor, data: given.flat() }), undefined, MODEL),
        readRequest(bodyOf({ ...tensor, data: given }), undefined, MODEL),
        readRequest(binary, String(json.length), MODEL),
      ]
      // JSON has no −0.
      for (const { rows: found } of read)
        expect([...found].map((x) => x + 0)).toEqual([...flat].map((x) => x + 0))
    }),
  )
})

test('outputs are those asked for, in binary where that is asked for', () => {
  const wanted = (more: object) => readRequest(bodyOf(TENSOR, more), undefined, MODEL).wanted
  const all = [
    { name: 'probability', isBinary: false },
    { name: 'risk', isBinary: false },
  ]
  expect(wanted({})).toEqual(all)
  expect(wanted({ parameters: { binary_data_output: true } })).toEqual(
    all.map(({ name }) => ({ name, isBinary: true })),
  )
  const outputs = [{ name: 'risk', parameters: { binary_data: true } }]
  expect(wanted({ outputs })).toEqual([{ name: 'risk', isBinary: true }])
})

test.each<[string, Buffer, string]>([
  ['nonsense', Buffer.from('{"inputs":'), 'body'],
  ['a list', Buffer.from('[]'), 'body'],
  ['no inputs', Buffer.from('{}'), 'inputs'],
  ['two inputs', Buffer.from(JSON.stringify({ inputs: [TENSOR, TENSOR] })), 'inputs'],
  ['an id that is a number', bodyOf(TENSOR, { id: 1 }), 'id'],
  ['another name', bodyOf({ ...TENSOR, name: 'x' }), 'inputs[0].name'],
  ['another type', bodyOf({ ...TENSOR, datatype: 'FP64' }), 'inputs[0].datatype'],
  ['a vector', bodyOf({ ...TENSOR, shape: [6] }), 'inputs[0].shape'],
  ['a cube', bodyOf({ ...TENSOR, shape: [2, 3, 5] }), 'inputs[0].shape'],
  ['no rows', bodyOf({ ...TENSOR, shape: [0, 3], data: [] }), 'inputs[0].shape'],
  ['too wide rows', bodyOf({ ...TENSOR, shape: [1, 6] }), 'inputs[0].shape'],
  ['too few numbers', bodyOf({ ...TENSOR, data: [1] }), 'inputs[0].data'],
  ['too few rows', bodyOf({ ...TENSOR, data: [[1, 2, 3]] }), 'inputs[0].data'],
  [
    'a short row',
    bodyOf({
      ...TENSOR,
      data: [
        [1, 2, 3],
        [4, 5],
      ],
    }),
    'inputs[0].data[1]',
  ],
  ['a text', bodyOf({ ...TENSOR, data: [1, 2, 3, '4', 5, 6] }), 'inputs[0].data[3]'],
  ['beyond float32', bodyOf({ ...TENSOR, data: [1, 2, 3, 4, 5, 1e39] }), 'inputs[0].data[5]'],
  [
    'null',
    bodyOf({
      ...TENSOR,
      data: [
        [1, null, 3],
        [4, 5, 6],
      ],
    }),
    'inputs[0].data[0][1]',
  ],
  ['an unknown output', bodyOf(TENSOR, { outputs: [{ name: 'x' }] }), 'outputs[0].name'],
])('%s is refused with its place', (_, body, where) => {
  expect(() => readRequest(body, undefined, MODEL)).toThrow(
    expect.objectContaining({ status: 400, where }),
  )
})

const SIZE = 'inputs[0].parameters.binary_data_size'
test.each([
  { what: 'a size that is not that of the shape', said: 20, sent: 20, more: 0, where: SIZE },
  { what: 'fewer bytes than said', said: 24, sent: 20, more: 0, where: SIZE },
  { what: 'more bytes than said', said: 24, sent: 28, more: 0, where: SIZE },
  { what: 'JSON beyond the body', said: 24, sent: 24, more: 1_000, where: JSON_LENGTH },
  { what: 'a length that is no number', said: 24, sent: 24, more: 'x', where: JSON_LENGTH },
])('$what: refused', ({ said, sent, more, where }) => {
  const { data: _data, ...tensor } = TENSOR
  const json = bodyOf({ ...tensor, parameters: { binary_data_size: said } })
  const length = typeof more === 'string' ? more : String(json.length + more)
  const body = Buffer.concat([json, Buffer.alloc(sent)])
  expect(() => readRequest(body, length, MODEL)).toThrow(
    expect.objectContaining({ status: 400, where }),
  )
})

test('NaN in binary is refused with its place', () => {
  const { data: _data, ...tensor } = TENSOR
  const json = bodyOf({ ...tensor, parameters: { binary_data_size: 24 } })
  const numbers = Buffer.from(Float32Array.of(1, 2, 3, 4, Number.NaN, 6).buffer)
  const read = () => readRequest(Buffer.concat([json, numbers]), String(json.length), MODEL)
  expect(read).toThrow(RequestFault)
  expect(read).toThrow(expect.objectContaining({ where: 'inputs[0].data[4]' }))
})

test.each(['risk', 'x', 'constructor', '__proto__'])(
  'an output %s is named once at most',
  (name) => {
    const outputs = [{ name: 'risk' }, { name: 'probability' }, { name }]
    expect(() => readRequest(bodyOf(TENSOR, { outputs }), undefined, MODEL)).toThrow(
      expect.objectContaining({ status: 400, where: 'outputs[2].name' }),
    )
  },
)

const TYPES = { FP32: Float32Array, FP64: Float64Array }

/** Columns of an output, as long as each other. */
const COLUMNS = integer({ min: 0, max: 4 }).chain((length) => {
  const column = float64Array({
    ...{ noNaN: true, noDefaultInfinity: true },
    ...{ minLength: length, maxLength: length },
  })
  return tuple(column, array(column, { maxLength: 2 }))
})

test('binary outputs lie behind the JSON, in its order and with their type', async () => {
  const tensors = array(
    record({
      isBinary: boolean(),
      datatype: constantFrom<Datatype[]>('FP32', 'FP64'),
      columns: COLUMNS,
    }),
    { minLength: 1, maxLength: 3 },
  )
  await assert(
    asyncProperty(tensors, async (given) => {
      const all = given.map(({ columns: [first, more], ...of }, i) => {
        return { ...of, name: `${i}`, shape: [first.length, 7], columns: [first, ...more] as const }
      })
      const { body: pieces, headers } = await writeReply({ model_name: 'm' }, all)
      const body = Buffer.concat(pieces)
      const length = Number(headers[JSON_LENGTH as keyof typeof headers] ?? body.length)
      const reply: unknown = JSON.parse(body.subarray(0, length).toString())
      let at = length
      const outputs = all.map(({ name, datatype, shape, columns, isBinary }) => {
        const about = { name, datatype, shape }
        const data = [...columns[0].keys()].flatMap((row) => columns.map((of) => of[row] as number))
        // JSON has no −0.
        if (!isBinary) return { ...about, data: data.map((x) => x + 0) }
        const bytes = TYPES[datatype].BYTES_PER_ELEMENT * data.length
        const found = new TYPES[datatype](new Uint8Array(body.subarray(at, at + bytes)).buffer)
        expect([...found]).toEqual([...TYPES[datatype].from(data)])
        at += bytes
        return { ...about, parameters: { binary_data_size: bytes } }
      })
      expect(reply).toEqual({ model_name: 'm', outputs })
      expect(at).toBe(body.length)
    }),
  )
})

test('the JSON of many numbers is made in turns, with 26 bytes for each at most', async () => {
  // JavaScript writes no number longer.
  const data = new Float64Array(50_000).fill(-0.0000012345678901234567)
  const tensor = {
    name: 'x',
    datatype: 'FP64',
    isBinary: false,
    shape: [50_000],
    columns: [data],
  } as const
  const order: string[] = []
  const written = writeReply({}, [tensor]).then(({ body }) => {
    order.push('written')
    return Buffer.concat(body)
  })
  for (let turn = 0; turn < 2; turn++) {
    await nextTurn()
    order.push('others')
  }
  const { length } = await written
  expect(order).toEqual(['others', 'others', 'written'])
  expect([length > 25 * data.length, length < numberBytes(tensor) * data.length + 100]).toEqual([
    true,
    true,
  ])
})
