import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { inspectModel, suggestOutputs } from '../../src/scoring/model-file.ts'
import { modelSource } from '../../src/scoring/model-source.ts'
import { CARD_FEATURES, FIXTURES, SHIPPED } from './support.ts'

const shipped = fileURLToPath(SHIPPED)
const fixtures = fileURLToPath(FIXTURES)

describe('the look at a model file', () => {
  it('tells what goes in and out, and that nothing is wrong', async () => {
    const file = join(shipped, 'card-gbdt.onnx')
    expect(await inspectModel(file, join(shipped, 'card-gbdt.golden.json'))).toMatchObject({
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
    ['card-f64', ['MODEL_INPUT']],
    ['card-batch1', ['MODEL_INPUT']],
    ['card-gbdt-zipmap', ['MODEL_OUTPUT']],
    ['card-mlp', []],
  ])('finds what is wrong with %s without a golden file', async (name, codes) => {
    const { problems, features } = await inspectModel(join(fixtures, `${name}.onnx`))
    expect(problems.map((p) => p.code)).toEqual(codes)
    expect(features).toBeNull()
  })

  it('finds golden rows of another model', async () => {
    const { problems } = await inspectModel(
      join(fixtures, 'card-mlp.onnx'),
      join(shipped, 'card-gbdt.golden.json'),
    )
    expect(problems.map((p) => p.code)).toEqual(['MODEL_GOLDEN'])
  })

  it.each([
    ['none.onnx', 'MODEL_FILE'],
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

  it('are column 1 of a pair, by the name probability, and not the label beside it', () => {
    expect(
      suggestOutputs([tensor('label', 'int64', 'N'), tensor('probabilities', 'float32', 'N', 2)]),
    ).toEqual({
      probability: { tensor: 'probabilities', column: 1 },
    })
  })

  it('are every column of several, numbered', () => {
    expect(suggestOutputs([tensor('p', 'float32', 'N', 3)])).toEqual({
      p0: { tensor: 'p', column: 0 },
      p1: { tensor: 'p', column: 1 },
      p2: { tensor: 'p', column: 2 },
    })
  })

  it('are the label when there is nothing else', () => {
    expect(suggestOutputs([tensor('label', 'int64', 1), tensor('zip', null)])).toEqual({
      label: { tensor: 'label', column: 0 },
    })
  })
})

describe('the source of a model', () => {
  it.each(['card-gbdt', 'flight-gbdt'])('is the file that is shipped: %s', async (name) => {
    const topologies = join(shipped, '..')
    const at = (file: string) => relative(process.cwd(), join(shipped, file))
    const inspection = await inspectModel(at(`${name}.onnx`), at(`${name}.golden.json`))
    const source = modelSource(inspection, { name, version: '1' })
    const prefix = `${relative(process.cwd(), topologies)}/`
    const shippedSource = readFileSync(join(shipped, `${name}.model.ts`), 'utf8')
    expect(
      source
        .replaceAll(`\`tidemark model types ${prefix}`, '`tidemark model types ')
        .replace(`--golden ${prefix}`, '--golden '),
    ).toBe(shippedSource)
  })

  it('takes names from the reader, quotes what is no name, and points to another folder', async () => {
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

  it('is refused without the names of the features, saying how to give them', async () => {
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
