import { readdirSync, readFileSync } from 'node:fs'
import { InferenceSession } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { type OnnxValue, readOnnx } from '../../src/trees/onnx-file.ts'

const FOLDERS = ['./models/', '../fixtures/models/'].map((at) => new URL(at, import.meta.url))
const FILES = FOLDERS.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => new URL(name, folder)),
)

function told({ name, type, shape }: OnnxValue) {
  return type === null ? { name } : { name, type, shape }
}

function asThere(values: readonly InferenceSession.ValueMetadata[]) {
  return values.map((v) =>
    v.isTensor ? { name: v.name, type: v.type, shape: v.shape } : { name: v.name },
  )
}

describe('inputs and outputs of a file are read as ONNX Runtime reads them', () => {
  test.each(FILES.map((file) => [file.pathname.split('/').at(-1) as string, file] as const))(
    '%s',
    async (_, file) => {
      const bytes = readFileSync(file)
      const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 }).catch(
        () => null,
      )
      // A file that ONNX Runtime refuses is not compared.
      if (session === null) return
      const { inputs, outputs } = readOnnx(bytes)
      expect(inputs.map(told)).toEqual(asThere(session.inputMetadata))
      expect(outputs.map(told)).toEqual(asThere(session.outputMetadata))
      await session.release()
    },
  )
})
