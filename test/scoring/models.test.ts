import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Code } from '../../src/kernel/errors.ts'
import { readGolden } from '../../src/scoring/golden.ts'
import type { ModelUse } from '../../src/scoring/load-model.ts'
import { type LoadedScorers, loadScorers } from '../../src/scoring/models.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { sampleRows } from '../../src/scoring/warm-up.ts'
import type { ModelDefinition } from '../../src/topology/models.ts'
import { folderWith } from '../support/folder.ts'
import { CARD_FEATURES, cardModel, FIXTURES, gateFaults, goldenOf, useOf } from './support.ts'

let folder: string
beforeEach(() => {
  folder = folderWith({})
})

const NONE = new Map<string, string>()

/** Loads models and closes the scorers at once. */
async function load(
  uses: readonly ModelUse[],
  chosen: ReadonlyMap<string, string> = NONE,
): Promise<LoadedScorers> {
  const loaded = await loadScorers(uses, chosen, { evaluator: 'onnxruntime' })
  for (const scorer of loaded.scorers.values()) await scorer.close()
  return loaded
}

function inFolder(name: string, bytes: string | Buffer): URL {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return pathToFileURL(path)
}

function goldenLike(name: string, changes: Record<string, unknown>): URL {
  const golden = JSON.parse(readFileSync(goldenOf('card-gbdt'), 'utf8')) as Record<string, unknown>
  return inFolder(name, JSON.stringify({ ...golden, ...changes }))
}

describe('a good model', () => {
  it.each([
    ['card-gbdt', {}],
    ['card-mlp', {}],
    ['card-mlp-large', {}],
    ['card-nan', {}],
    [
      'card-gbdt-2col',
      {
        outputs: {
          card: { tensor: 'probabilities', columns: ['genuine', 'suspicious'] },
          label: { tensor: 'label', column: 0 },
        },
      },
    ],
  ])('passes with its golden rows: %s', async (name, other) => {
    const { faults, notes, scorers } = await load([
      useOf(cardModel(name, { golden: goldenOf(name), ...other })),
    ])
    expect({ faults, notes }).toEqual({ faults: [], notes: [] })
    expect(scorers.get('score')).toMatchObject({
      name,
      label: `${name}@1`,
      maxBatch: expect.any(Number),
    })
  })

  it('returns its outputs in the order of their declaration, a label as a number', async () => {
    const model = cardModel('card-gbdt-2col', {
      outputs: {
        probability: { tensor: 'probabilities', column: 1 },
        label: { tensor: 'label', column: 0 },
      },
    })
    const { scorers } = await loadScorers([useOf(model)], NONE)
    const scores = await scorers.get('score')?.score(new Float32Array(26), 2)
    await scorers.get('score')?.close()
    expect(scores?.columns.map((column) => column.length)).toEqual([2, 2])
    expect([...(scores?.columns[1] ?? [])]).toEqual([0, 0])
  })

  it('returns the same scores for long batches, which run on another thread, as for short ones', async () => {
    const golden = await readGolden(goldenOf('card-gbdt'), 'here')
    const rows = sampleRows(13, golden).subarray(0, 2000 * 13)
    const { scorers } = await loadScorers([useOf(cardModel('card-gbdt'))], NONE, {
      evaluator: 'onnxruntime',
    })
    const scorer = scorers.get('score') as Scorer
    const together = (await scorer.score(rows, 2000)).columns[0]
    const apart: number[] = []
    for (let row = 0; row < 2000; row += 20) {
      const scores = await scorer.score(rows.subarray(row * 13, (row + 20) * 13), 20)
      apart.push(...(scores.columns[0] ?? []))
    }
    await scorer.close()
    expect(together).toEqual(Float64Array.from(apart))
  })

  it('without golden rows passes with a note', async () => {
    const { faults, notes } = await load([useOf(cardModel('card-gbdt'))])
    expect(faults).toEqual([])
    expect(notes).toEqual([expect.stringMatching(/^card-gbdt@1 has no golden rows/)])
  })

  it('whose golden rows have missing values passes with a note when the step refuses them', async () => {
    const { inputs } = JSON.parse(readFileSync(goldenOf('card-gbdt'), 'utf8')) as {
      inputs: unknown[][]
    }
    const holes = Array.from({ length: 13 }, () => null)
    const golden = goldenLike('holes.golden.json', {
      inputs: [holes, ...inputs.slice(1)],
      outputs: [[0.00282156], ...outputsOf('card-gbdt').slice(1)],
    })
    const model = cardModel('card-gbdt', { golden })
    expect((await load([useOf(model)])).notes).toEqual([expect.stringMatching(/missing: 'nan'/)])
    expect((await load([useOf(model, { missing: 'nan' })])).notes).toEqual([])
  })
})

/** A model whose first field, the IR version, is changed. */
function ofVersion(version: number): Buffer {
  const bytes = readFileSync(new URL('every-type.onnx', FIXTURES))
  bytes[1] = version
  return bytes
}

function outputsOf(name: string): unknown[] {
  return (JSON.parse(readFileSync(goldenOf(name), 'utf8')) as { outputs: unknown[] }).outputs
}

const riskOf = (outputs: ModelDefinition['outputs']): Partial<ModelDefinition> => ({
  features: ['a', 'b'],
  outputs,
})
const probabilities = { probability: { tensor: 'probabilities', column: 1 } }
const twoFeatures = { features: ['a', 'b'], outputs: { score: { tensor: 'score', column: 0 } } }

describe('a model is refused', () => {
  it.each<[string, Partial<ModelDefinition>, Code, RegExp, RegExp]>([
    [
      'card-12-inputs',
      {},
      'MODEL_INPUT',
      /takes 12 features, the topology gives 13: amount, seconds/,
      /train it on these/,
    ],
    ['card-batch1', {}, 'MODEL_INPUT', /batch is fixed at 1/, /dynamic batch axis/],
    ['card-truncated', {}, 'MODEL_LOAD', /6263 bytes\) is not a whole ONNX file/, /half a file/],
    ['card-opset99', {}, 'MODEL_LOAD', /needs opset 99 of ai\.onnx/, /lower opset/],
    [
      'external-data',
      twoFeatures,
      'MODEL_FILE',
      /weights "external-data.bin" of .*external-data.onnx cannot be read: ENOENT/,
      /save one file/,
    ],
    [
      'unknown-operator',
      twoFeatures,
      'MODEL_LOAD',
      /operator com\.example:Guess/,
      /standard operators/,
    ],
    [
      'risk',
      riskOf({ name: { tensor: 'name', column: 0 } }),
      'MODEL_OUTPUT',
      /output "name": tensor "name" is string/,
      /whole-number labels/,
    ],
    [
      'risk',
      riskOf({ risk: { tensor: 'risk', columns: ['low', 'high'] } }),
      'MODEL_OUTPUT',
      /trial run of 4 rows: tensor "risk" has shape \[4, 3\] for 4 rows: not the 2 columns named/,
      /name every column/,
    ],
    [
      'unsaid-columns',
      riskOf({ risk: { tensor: 'risk', columns: ['low', 'high'] } }),
      'MODEL_OUTPUT',
      /trial run of 4 rows: tensor "risk" has shape \[4, 3\] for 4 rows: not the 2 columns named/,
      /scores for each/,
    ],
    [
      'one-for-all',
      twoFeatures,
      'MODEL_OUTPUT',
      /trial run of 4 rows: tensor "score" has shape \[\]/,
      /scores for each/,
    ],
  ])('with a message and a hint for %s', async (...[name, other, code, message, hint]) => {
    const faults = await gateFaults(cardModel(name, other))
    expect(faults).toEqual([expect.objectContaining({ code, where: 'here' })])
    expect(faults[0]?.message).toMatch(message)
    expect(faults[0]?.hint).toMatch(hint)
  })

  it.each<[string, string | Buffer, RegExp]>([
    ['empty', '', /is empty/],
    [
      'a pointer of Git LFS',
      'version https://git-lfs.github.com/spec/v1\noid sha256:0\n',
      /Git LFS pointer/,
    ],
    ['of a newer format', ofVersion(99), /has IR version 99; this ONNX Runtime reads up to \d+$/],
    [
      'without an operator set',
      Buffer.from([8, 8, 0x3a, 0]),
      /by ONNX Runtime: Missing opset in the model/,
    ],
  ])('when its file is %s', async (name, bytes, message) => {
    const file = inFolder(`${name}.onnx`, bytes)
    const faults = await gateFaults(cardModel('card-gbdt', { file }))
    expect(faults.map((f) => f.code)).toEqual(['MODEL_SHA256', 'MODEL_LOAD'])
    expect(faults[1]?.message).toMatch(message)
  })

  it('when its file is missing', async () => {
    const faults = await gateFaults(
      cardModel('card-gbdt', { file: new URL('none.onnx', FIXTURES) }),
    )
    expect(faults).toEqual([
      expect.objectContaining({ code: 'MODEL_FILE', where: 'here', hint: expect.any(String) }),
    ])
    expect(faults[0]?.message).toMatch(/none\.onnx cannot be read: ENOENT/)
  })

  it('when its file has another hash, saying both', async () => {
    const faults = await gateFaults(cardModel('card-gbdt', { sha256: '0123456789abcdef' }))
    expect(faults.map((f) => f.code)).toEqual(['MODEL_SHA256'])
    expect(faults[0]?.message).toMatch(/has sha256 f661455d9ee0, the definition says 0123456789ab$/)
  })

  it('when one row takes longer than the latency budget', async () => {
    const { faults } = await load([useOf(cardModel('card-mlp-large'), { latencyBudgetMs: 1e-6 })])
    expect(faults).toEqual([
      expect.objectContaining({
        code: 'MODEL_TOO_SLOW',
        hint: expect.stringMatching(/latencyBudget/),
      }),
    ])
  })

  it('for all faults of all models at once, and nothing stays loaded', async () => {
    const { faults, scorers } = await load(
      [
        useOf(cardModel('card-mlp'), { step: 'good' }),
        useOf(
          cardModel('card-12-inputs', {
            sha256: 'ff',
            input: 'x',
            outputs: probabilities,
            golden: goldenOf('card-mlp'),
          }),
          { step: 'one' },
        ),
        useOf(cardModel('card-truncated', { golden: new URL('none.json', FIXTURES) }), {
          step: 'two',
        }),
      ],
      new Map([['card-gdbt', 'x.onnx']]),
    )
    expect(faults.map((f) => `${f.where}: ${f.code}`)).toEqual([
      'undefined: CONFIG_INVALID',
      'one: MODEL_SHA256',
      'one: MODEL_INPUT',
      'one: MODEL_INPUT',
      'one: MODEL_OUTPUT',
      'one: MODEL_GOLDEN',
      'two: MODEL_LOAD',
      'two: MODEL_GOLDEN',
    ])
    expect(scorers.size).toBe(0)
  })
})

describe('golden rows', () => {
  const swapped = [...CARD_FEATURES]
  swapped.splice(2, 2, 'sum5m', 'count5m')
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'two features are swapped',
      { features: swapped },
      /first difference is at 3, "sum5m" instead of "count5m"/,
    ],
    [
      'they are of another file',
      { sha256: 'ab'.repeat(32) },
      /of a model file with sha256 abababababab/,
    ],
    [
      'they are of no output that is declared',
      { output: 'label' },
      /"label" is none of the tensors declared: probability/,
    ],
    [
      'a row is too short',
      { inputs: [[1]], outputs: [[1]] },
      /row 0 of "inputs" has 1 numbers for 13/,
    ],
    ['there are none', { inputs: [], outputs: [] }, /holds no rows/],
    ['outputs are missing', { outputs: [[1]] }, /does not hold 200 rows/],
    [
      'an output is text',
      { outputs: outputsOf('card-gbdt').with(3, ['high']) },
      /row 3 of "outputs" is not a list of numbers/,
    ],
    [
      'one output differs',
      { outputs: outputsOf('card-gbdt').with(3, [0.5]) },
      /1 of 200 outputs differ.*row 3 gives probability = .*, golden is 0\.5/,
    ],
    [
      'NaN is expected of a number',
      { outputs: outputsOf('card-gbdt').with(4, [null]) },
      /row 4 gives .* golden is NaN/,
    ],
  ])('refuse the model when %s', async (name, changes, message) => {
    const golden = goldenLike(`${name}.json`, changes)
    const faults = await gateFaults(cardModel('card-gbdt', { golden }))
    expect(faults).toEqual([
      expect.objectContaining({ code: 'MODEL_GOLDEN', hint: expect.any(String) }),
    ])
    expect(faults[0]?.message).toMatch(message)
  })

  it('may have one number for each row, and tolerate the rounding of another machine', async () => {
    const outputs = outputsOf('card-gbdt').map((row) => (row as number[])[0])
    outputs[0] = (outputs[0] as number) + 9e-6
    const golden = goldenLike('scalars.json', { outputs, output: undefined, sha256: undefined })
    expect(await gateFaults(cardModel('card-gbdt', { golden }))).toEqual([])
  })
})

describe('a model file that the operator chose', () => {
  const own = cardModel('card-gbdt', { golden: goldenOf('card-gbdt') })

  it('replaces the file and its hash, with the golden rows next to it', async () => {
    const chosen = new Map([['card-gbdt', fileURLToPath(new URL('card-gbdt-v2.onnx', FIXTURES))]])
    const { faults, notes, scorers } = await load([useOf(own)], chosen)
    expect({ faults, notes }).toEqual({ faults: [], notes: [] })
    const scorer = scorers.get('score')
    expect(scorer?.label).toBe(`card-gbdt@1+${scorer?.sha256.slice(0, 8)}`)
    expect(scorer?.sha256).not.toBe(own.sha256)
  })

  it('keeps the golden rows of the model when it is the same file elsewhere', async () => {
    copyFileSync(own.file, join(folder, 'copy.onnx'))
    const wrong = { ...own, golden: goldenOf('card-gbdt-v2') }
    const { faults } = await load(
      [useOf(wrong)],
      new Map([['card-gbdt', join(folder, 'copy.onnx')]]),
    )
    expect(faults.map((f) => f.code)).toEqual(['MODEL_GOLDEN'])
  })

  it('passes with a note when there are no golden rows for it', async () => {
    copyFileSync(new URL('card-gbdt-v2.onnx', FIXTURES), join(folder, 'new.onnx'))
    const { faults, notes } = await load(
      [useOf(own)],
      new Map([['card-gbdt', join(folder, 'new.onnx')]]),
    )
    expect(faults).toEqual([])
    expect(notes).toEqual([expect.stringMatching(/^card-gbdt@1\+[0-9a-f]{8} has no golden rows/)])
  })

  it('must pass all other checks', async () => {
    const chosen = new Map([['card-gbdt', fileURLToPath(new URL('card-batch1.onnx', FIXTURES))]])
    expect((await load([useOf(own)], chosen)).faults.map((f) => f.code)).toEqual(['MODEL_INPUT'])
  })

  it('is refused for a name that no step uses, naming those in use', async () => {
    const { faults } = await load([useOf(own)], new Map([['card-gdbt', 'x.onnx']]))
    expect(faults).toEqual([
      expect.objectContaining({ code: 'CONFIG_INVALID', hint: 'models in use: card-gbdt' }),
    ])
  })
})

describe('a model whose scores depend on the rest of the batch', () => {
  it('runs each row alone, with a note', async () => {
    const model = cardModel('batch-mates', twoFeatures)
    const { scorers, notes } = await loadScorers([useOf(model)], NONE)
    const scorer = scorers.get('score')
    expect(notes).toEqual([
      expect.stringMatching(/no golden rows/),
      expect.stringMatching(/each row runs alone/),
    ])
    const together = await scorer?.score(new Float32Array([1, 2, 3, 4]), 2)
    await scorer?.close()
    expect([...(together?.columns[0] ?? [])]).toEqual([1, 1])
  })
})
