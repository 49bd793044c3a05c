import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { usersModelCache } from '../../src/scoring/model-cache.ts'
import { loadScorers } from '../../src/scoring/models.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { type Runner, readingOf } from '../../src/scoring/runner.ts'
import { differenceFrom } from '../../src/scoring/tree-comparison.ts'
import { provenTrees, TreeRunner } from '../../src/scoring/tree-runner.ts'
import { readModel } from '../../src/scoring/unchecked-model.ts'
import { withoutGeneration } from '../support/without-generation.ts'
import { cardModel, useOf } from './support.ts'

let cache: string

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'tidemark-cache-'))
  vi.stubEnv('XDG_CACHE_HOME', cache)
})

afterEach(() => void vi.unstubAllEnvs())

/** The file of the only cached verdict. */
function keptFile(): string {
  const folder = join(cache, 'tidemark', 'trees')
  const [name = 'none'] = readdirSync(folder)
  return join(folder, name)
}

async function gate(name: string) {
  const model = cardModel(name)
  return provenTrees(await readModel(model.file, 'here'), model, usersModelCache())
}

test('trees that give the bits of ONNX Runtime are used, and that is cached; no debugger is waited for', async () => {
  vi.stubEnv('NODE_OPTIONS', '--inspect-brk=127.0.0.1:0')
  expect(await gate('card-gbdt')).toBeInstanceOf(TreeRunner)
  expect(JSON.parse(readFileSync(keptFile(), 'utf8'))).toEqual({ whyNot: null })
})

test('where code must not be generated, ONNX Runtime runs the trees, and that is not remembered', () => {
  const { file, input, outputs, features } = cardModel('card-gbdt')
  const script = `
    import { readModel } from './src/scoring/unchecked-model.ts'
    import { usersModelCache } from './src/scoring/model-cache.ts'
    import { provenTrees } from './src/scoring/tree-runner.ts'
    const reading = ${JSON.stringify({ input, outputs, features })}
    const found = await readModel(new URL('${file.href}'), 'here')
    console.log(JSON.stringify(await provenTrees(found, reading, usersModelCache())))`
  expect(withoutGeneration(script)).toMatch(/^not compared: Code generation from strings/)
  expect(readdirSync(cache)).toEqual([])
})

test('a neural network stays with ONNX Runtime, and the reason is cached without a comparison', async () => {
  vi.stubEnv('NODE_OPTIONS', '--no-such-option')
  expect(await gate('card-mlp')).toBe('operator Relu')
  expect(JSON.parse(readFileSync(keptFile(), 'utf8'))).toEqual({ whyNot: 'operator Relu' })
  expect(await gate('card-gbdt')).toMatch(/^not compared/)
})

test('a verdict is cached and used instead of another comparison', async () => {
  await gate('card-mlp')
  writeFileSync(keptFile(), '{"whyNot":"as it was found"}')
  expect(await gate('card-mlp')).toBe('as it was found')
})

test('a damaged verdict is replaced by a new one', async () => {
  await gate('card-mlp')
  writeFileSync(keptFile(), '{"diff')
  expect(await gate('card-mlp')).toBe('operator Relu')
  expect(JSON.parse(readFileSync(keptFile(), 'utf8'))).toEqual({ whyNot: 'operator Relu' })
})

test('a verdict holds for one model', async () => {
  await gate('card-mlp')
  writeFileSync(keptFile(), '{"whyNot":"another model"}')
  expect(await gate('card-mlp-large')).toBe('operator Relu')
})

test('a comparison that failed is no verdict: the next start compares again', async () => {
  const model = cardModel('card-gbdt')
  const { bytes } = await readModel(model.file, 'here')
  // Sets the version of ONNX's own operator set to 99, which ONNX Runtime does not know:
  // opset_import, with an empty domain (onnx/onnx.proto3).
  bytes[bytes.lastIndexOf(Buffer.from([0x42, 4, 0x0a, 0, 0x10])) + 5] = 99
  const verdict = await provenTrees({ bytes, sha256: 'of another file' }, model, usersModelCache())
  expect(verdict).toMatch(/^not compared: .*Opset 99 is under development/s)
  // ONNX Runtime keeps its own files there.
  expect(readdirSync(cache)).not.toContain('tidemark')
})

test('the cache folder may have any name', async () => {
  vi.stubEnv('XDG_CACHE_HOME', join(cache, 'a #1 100%?'))
  await gate('card-mlp')
  expect(readdirSync(join(cache, 'a #1 100%?', 'tidemark', 'trees'))).toHaveLength(1)
})

/** The difference found for a model whose ONNX Runtime runner is changed by `changed`. */
async function differenceOf(name: string, changed: (runner: Runner) => Runner) {
  const model = cardModel(name)
  const bytes = await readFile(model.file)
  const runner = await OnnxSession.load(bytes, readingOf(model))
  try {
    return await differenceFrom(changed(runner), TreeRunner.read(bytes, model) as TreeRunner)
  } finally {
    await runner.close()
  }
}

test('a single differing bit leaves a model to ONNX Runtime', async () => {
  let runs = 0
  const difference = await differenceOf('card-gbdt', (runner) => ({
    close: () => runner.close(),
    run: async (rows, count) => {
      const scores = await runner.run(rows, count)
      const [column] = scores
      if (column !== undefined && ++runs === 7) {
        column[3] = Math.fround((column[3] as number) * (1 + 2 ** -23))
      }
      return scores
    },
  }))
  expect(difference).toBe('different bits on 1 of 20000 rows')
})

test('the evaluator is the one that the operator chose; trees do without ONNX Runtime', async () => {
  const load = vi.spyOn(OnnxSession, 'load')
  const use = useOf(cardModel('card-gbdt'))
  const told: unknown[] = []
  for (const evaluator of ['auto', 'onnxruntime'] as const) {
    const { scorers } = await loadScorers([use], new Map(), { evaluator })
    for (const scorer of scorers.values()) {
      told.push(scorer.evaluator, load.mock.calls.length > 0)
      await scorer.close()
    }
  }
  expect(told).toEqual([
    ...[{ by: 'trees' }, false],
    ...[{ by: 'onnxruntime', why: 'as you chose', provider: 'cpu' }, true],
  ])
  load.mockRestore()
})
