import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Golden } from '../../src/scoring/golden.ts'
import { inspectModel, modelSource, suggestOutputs } from '../../src/scoring/model-file.ts'
import { CARD_FEATURES, FIXTURES } from './support.ts'

const shipped = fileURLToPath(new URL('../../topologies/models/', import.meta.url))
const fixtures = fileURLToPath(FIXTURES)

describe('the inspection of a model file', () => {
  it('returns its inputs and outputs, and no problems', async () => {
    const file = join(fixtures, 'card-gbdt.onnx')
    expect(await inspectModel(file, join(fixtures, 'card-gbdt.golden.json'))).toMatchObject({
      file,
      bytes: 213_545,
      sha256: expect.stringMatching(/^f661455d9ee0/),
      inputs: [{ name: 'features', type: 'float32', shape: ['N', 13] }],
      outputs: [{ name: 'probability', type: 'float32', shape: ['N', 1] }],
      features: CARD_FEATURES,
      suggested: { probability: { tensor: 'probability', column: 0 } },
      problems: [],
    })
  })

  it.each([
    ['card-f64', []],
    ['card-batch1', ['MODEL_INPUT']],
    ['card-gbdt-zipmap', []],
    ['card-mlp', []],
  ])('finds what is wrong with %s without a golden file', async (name, codes) => {
    const { problems, features } = await inspectModel(join(fixtures, `${name}.onnx`))
    expect(problems.map((p) => p.code)).toEqual(codes)
    expect(features).toBeNull()
  })

  it('finds golden rows of another model', async () => {
    const { problems } = await inspectModel(
      join(fixtures, 'card-mlp.onnx'),
      join(fixtures, 'card-gbdt.golden.json'),
    )
    expect(problems.map((p) => p.code)).toEqual(['MODEL_GOLDEN'])
  })

  it.each([
    ['none.onnx', 'MODEL_FILE'],
    // A folder, as a pipe is, is no file.
    ['.', 'MODEL_FILE'],
    ['card-truncated.onnx', 'MODEL_LOAD'],
  ])('throws for %s, of which there is nothing to tell', async (name, code) => {
    await expect(inspectModel(join(fixtures, name))).rejects.toMatchObject({ code })
  })
})

describe('the outputs suggested', () => {
  const tensor = (name: string, type: string | null, ...shape: (number | string)[]) => ({
    name,
    type,
    shape,
  })

  const pair = [tensor('label', 'int64', 'N'), tensor('probabilities', 'float32', 'N', 2)]

  it('are all columns of a tensor, numbered, without the label next to it', () => {
    expect(suggestOutputs(pair, null)).toEqual({
      probabilities: { tensor: 'probabilities', columns: ['c0', 'c1'] },
    })
  })

  it('are one number for one column', () => {
    const tensors = [tensor('a', 'float32', 'N', 1), tensor('b', 'float64', 'N')]
    expect(suggestOutputs(tensors, null)).toEqual({
      a: { tensor: 'a', column: 0 },
      b: { tensor: 'b', column: 0 },
    })
  })

  it('are the label when there is nothing else', () => {
    const tensors = [
      tensor('label', 'int64', 1),
      tensor('zip', null),
      tensor('name', 'string', 'N'),
    ]
    expect(suggestOutputs(tensors, null)).toEqual({ label: { tensor: 'label', column: 0 } })
  })

  const goldenWith = (row: Readonly<Record<string, number>>): Golden => ({
    tolerance: 1e-5,
    features: ['a'],
    sha256: null,
    rows: new Float32Array(1),
    count: 1,
    outputs: { kind: 'scores', rows: [new Map(Object.entries(row))] },
  })

  it('are those in the golden scores, by their names', () => {
    const golden = goldenWith({ label: 0, 'probabilities.good': 0.9, 'probabilities.bad': 0.1 })
    expect(suggestOutputs(pair, golden)).toEqual({
      label: { tensor: 'label', column: 0 },
      probabilities: { tensor: 'probabilities', columns: ['good', 'bad'] },
    })
  })

  it('ignore names that are too few, or of other outputs', () => {
    const numbered = { probabilities: { tensor: 'probabilities', columns: ['c0', 'c1'] } }
    expect(suggestOutputs(pair, goldenWith({ 'probabilities.good': 1 }))).toEqual(numbered)
    expect(suggestOutputs(pair, goldenWith({ 'other.good': 1, 'other.bad': 0 }))).toEqual(numbered)
  })
})

describe('the source of a model', () => {
  it.each([
    ['card-gbdt', '2'],
    ['flight-gbdt', '1'],
    ['pays-again', '1'],
  ])('is the file that is shipped: %s', async (name, version) => {
    const topologies = join(shipped, '..')
    const at = (file: string) => relative(process.cwd(), join(shipped, file))
    const inspection = await inspectModel(at(`${name}.onnx`), at(`${name}.golden.json`))
    const source = modelSource(inspection, { name, version })
    const prefix = `${relative(process.cwd(), topologies)}/`
    const shippedSource = readFileSync(join(shipped, `${name}.model.ts`), 'utf8')
    expect(
      source
        .replaceAll(`\`tidemark model types ${prefix}`, '`tidemark model types ')
        .replace(`--golden ${prefix}`, '--golden '),
    ).toBe(shippedSource)
  })

  it('takes names from the caller, quotes invalid identifiers, and can be for another folder', async () => {
    const inspection = await inspectModel(join(fixtures, 'every-type.onnx'))
    const source = modelSource(
      { ...inspection, suggested: { "it's": { tensor: 'a"b', column: 0 } } },
      { name: '2nd try', version: '3', features: ['a', 'b'], folder: join(fixtures, '..') },
    )
    expect(source).toContain('export const model2ndTry = onnxModel({')
    expect(source).toContain("file: new URL('./models/every-type.onnx', import.meta.url),")
    expect(source).toContain("features: ['a', 'b'],")
    expect(source).toContain(`outputs: { 'it\\'s': { tensor: 'a"b', column: 0 } },`)
    expect(source).not.toContain('golden')
  })

  it('states an accuracy that is known', async () => {
    const inspection = await inspectModel(join(fixtures, 'risk.onnx'))
    const accuracy = { macroF1: 0.8125, rows: 1_234_567 }
    const choice = { name: 'risk', version: '1', features: ['a', 'b'], accuracy }
    expect(modelSource(inspection, choice)).toContain(
      '\n  accuracy: { macroF1: 0.8125, rows: 1_234_567 },\n})\n',
    )
  })

  it('names columns for the user to rename, one a line if there are many', async () => {
    const inspection = await inspectModel(join(fixtures, 'risk.onnx'))
    const choice = { name: 'risk', version: '1', features: ['a', 'b'] }
    const source = modelSource(inspection, choice)
    expect(source).toMatch(
      /`; name the columns c0, c1, …, state accuracy, and edit nothing else\.\n/,
    )
    expect(source).toContain(
      "\n  outputs: { risk: { tensor: 'risk', columns: ['c0', 'c1', 'c2'] } },\n",
    )
    const columns = Array.from({ length: 3 }, (_, i) => `${'long'.repeat(8)}${i}`)
    const suggested = { risk: { tensor: 'risk', columns } }
    const long = modelSource({ ...inspection, suggested }, choice)
    expect(long).toMatch(/`; state accuracy, and edit nothing else\.\n/)
    expect(long).toContain(`
  outputs: {
    risk: {
      tensor: 'risk',
      columns: [
        '${columns[0]}',
        '${columns[1]}',
        '${columns[2]}',
      ],
    },
  },
`)
  })

  it('is refused without the names of the features, with a hint on how to give them', async () => {
    const inspection = await inspectModel(join(fixtures, 'card-mlp.onnx'))
    const choice = { name: 'card-mlp', version: '1' }
    expect(() => modelSource(inspection, choice)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        hint: expect.stringMatching(/--golden FILE.*--features a,b,c/),
      }),
    )
    expect(() => modelSource(inspection, { ...choice, features: ['a'] })).toThrow(
      /1 features are named, the model takes 13/,
    )
  })

  it('is refused when no output can be a score', async () => {
    const inspection = await inspectModel(join(fixtures, 'card-mlp.onnx'))
    expect(() =>
      modelSource({ ...inspection, suggested: {} }, { name: 'm', version: '1' }),
    ).toThrow(expect.objectContaining({ code: 'MODEL_OUTPUT' }))
  })
})
