import { readFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { readingOf } from '../../src/scoring/runner.ts'
import { differenceFrom } from '../../src/scoring/tree-comparison.ts'
import { TreeRunner } from '../../src/scoring/tree-runner.ts'
import { cardModel } from './support.ts'

test('where exp differs in its last bits, models that end in it stay with ONNX Runtime', async () => {
  const run = vi.spyOn(OnnxSession.prototype, 'run')
  // The model of exp is run first.
  run.mockImplementationOnce(async (rows) => {
    const scores = Float64Array.from(rows, () => 0.25)
    return [scores, scores]
  })
  const model = cardModel('card-gbdt')
  const bytes = await readFile(model.file)
  const runner = await OnnxSession.load(bytes, readingOf(model))
  try {
    expect(await differenceFrom(runner, TreeRunner.read(bytes, model) as TreeRunner)).toBe(
      "exp of this machine's C library differs in its last bits",
    )
  } finally {
    await runner.close()
    run.mockRestore()
  }
})
