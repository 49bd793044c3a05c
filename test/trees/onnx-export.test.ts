import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { readExport } from '../../src/trees/onnx-export.ts'
import { ONNX, readOnnx } from '../../src/trees/onnx-file.ts'

const bytes = readFileSync(new URL('../fixtures/models/card-gbdt-zipmap.onnx', import.meta.url))
const ZIPMAP = { operator: 'ZipMap', inputs: ['p'], outputs: ['q'], domain: 'ai.onnx.ml' }

function fileWith(...nodes: object[]): Buffer {
  const message = ONNX.fromObject({ graph: { nodes, outputs: [{ name: 'q' }] } })
  return Buffer.from(ONNX.encode(message).finish())
}

test('a ZipMap becomes a tensor of its name, whose columns are the classes', () => {
  const found = readExport(bytes)
  expect(found.zipMap).toEqual({ tensor: 'probabilities', classes: ['0', '1'] })
  const { nodes, outputs } = readOnnx(found.bytes)
  expect(nodes.map(({ operator }) => operator)).not.toContain('ai.onnx.ml.ZipMap')
  expect(outputs.at(-1)).toEqual({ name: 'probabilities', type: 'float32', shape: ['', 2] })
})

test('all other fields stay, also those that the schema lacks', () => {
  const metadata = protobuf.Writer.create()
    .uint32((14 << 3) | 2)
    .string('metadata')
    .finish()
  const rewritten = readExport(Buffer.concat([bytes, metadata])).bytes
  expect(rewritten.subarray(-metadata.length)).toEqual(Buffer.from(metadata))
  expect(rewritten.includes('skl2onnx')).toBe(bytes.includes('skl2onnx'))
})

test.each<[string, Buffer]>([
  ['no ZipMap', readExport(bytes).bytes],
  ['two', fileWith(ZIPMAP, ZIPMAP)],
  ['one in the body of a loop', fileWith({ operator: 'Loop', outputs: ['q'] })],
  ['half of it', bytes.subarray(0, bytes.length / 2)],
  ['no bytes', Buffer.alloc(0)],
])('a file with %s is returned as it is', (_, file) => {
  const found = readExport(file)
  expect(found.zipMap).toBeNull()
  expect(found.bytes).toBe(file)
})
