import { describe, expect, it } from 'vitest'
import { signatureFaults } from '../../src/scoring/load-gate.ts'
import type { ModelDefinition } from '../../src/topology/models.ts'
import type { OnnxValue } from '../../src/trees/onnx-file.ts'

const model: ModelDefinition = {
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '',
  input: 'features',
  features: ['a', 'b', 'c'],
  outputs: { score: { tensor: 'score', column: 0 } },
}
const input: OnnxValue = { name: 'features', type: 'float32', shape: ['N', 3] }
const output: OnnxValue = { name: 'score', type: 'float32', shape: ['N', 1] }

function faults(
  inputs: readonly OnnxValue[],
  outputs: readonly OnnxValue[] = [output],
  declared: ModelDefinition['outputs'] = model.outputs,
) {
  return signatureFaults({ ...model, outputs: declared }, { inputs, outputs }, 'here')
}

describe('the signature of a model', () => {
  it.each<[string, OnnxValue]>([
    ['a named batch axis', input],
    ['an unnamed batch axis', { ...input, shape: ['', 3] }],
    ['a free number of columns', { ...input, shape: ['N', 'F'] }],
    ['float64', { ...input, type: 'float64' }],
    ['int64', { ...input, type: 'int64' }],
    ['bool', { ...input, type: 'bool' }],
  ])('is accepted with %s', (_, accepted) => {
    expect(faults([accepted])).toEqual([])
  })

  it.each<[string, readonly OnnxValue[], RegExp]>([
    [
      'an input that nothing fills',
      [input, { ...input, name: 'more' }],
      /takes "features", "more", the definition fills "features"$/,
    ],
    ['no input', [], /takes nothing, the definition fills "features"/],
    ['an input of another name', [{ ...input, name: 'x' }], /takes "x", the definition fills "fea/],
    ['texts', [{ ...input, type: 'string' }], /is string, a feature is a number/],
    ['an input that is no tensor', [{ ...input, type: null }], /is not a tensor/],
    ['one row only', [{ ...input, shape: [1, 3] }], /batch is fixed at 1/],
    ['images', [{ ...input, shape: ['N', 3, 2] }], /has shape \[N, 3, 2\], not \[N, 3\]/],
    [
      'fewer features',
      [{ ...input, shape: ['N', 2] }],
      /takes 2 features, the topology gives 3: a, b, c/,
    ],
  ])('is refused with %s', (_, inputs, message) => {
    const [fault, ...others] = faults(inputs)
    expect(fault).toMatchObject({
      code: 'MODEL_INPUT',
      where: 'here',
      hint: expect.stringMatching(/./),
    })
    expect(fault?.message).toMatch(message)
    expect(others).toEqual([])
  })

  it.each<[string, OnnxValue, number]>([
    ['[N]', { ...output, shape: ['N'] }, 0],
    ['the second of two columns', { ...output, shape: ['N', 2] }, 1],
    ['int64', { ...output, type: 'int64' }, 0],
    ['a shape that the file does not say', { ...output, shape: [] }, 0],
    ['a label whose file says [1] and means [N]', { ...output, type: 'int64', shape: [1] }, 0],
  ])('is accepted with an output of %s', (_, accepted, column) => {
    expect(faults([input], [accepted], { score: { tensor: 'score', column } })).toEqual([])
  })

  it.each<[string, OnnxValue, number, RegExp]>([
    ['another name', { ...output, name: 'other' }, 0, /tensor "score" is not in the model/],
    ['a ZipMap', { ...output, type: null, shape: [] }, 0, /list of dictionaries \(ZipMap\)/],
    ['text', { ...output, type: 'string' }, 0, /is string/],
    ['too few columns', output, 1, /shape \[N, 1\] and no column 1/],
    ['one dimension and column 1', { ...output, shape: ['N'] }, 1, /no column 1/],
    ['a column before the first', output, -1, /no column -1/],
    ['three dimensions', { ...output, shape: ['N', 1, 1] }, 0, /shape \[N, 1, 1\]/],
  ])('is refused with an output of %s', (...[, refused, column, message]) => {
    const [fault, ...others] = faults([input], [refused], { score: { tensor: 'score', column } })
    expect(fault).toMatchObject({ code: 'MODEL_OUTPUT', hint: expect.stringMatching(/./) })
    expect(fault?.message).toMatch(message)
    expect(others).toEqual([])
  })

  const three: OnnxValue = { ...output, shape: ['N', 3] }
  const named = (...columns: string[]): ModelDefinition['outputs'] => ({
    risk: { tensor: 'score', columns },
  })

  it.each<[string, OnnxValue, string[]]>([
    ['every one of three', three, ['low', 'mid', 'high']],
    ['the one of [N]', { ...output, shape: ['N'] }, ['only']],
    ['the one of [N, 1]', output, ['only']],
    ['as many as the file leaves open', { ...output, shape: ['N', 'C'] }, ['low', 'high']],
    ['flags', { ...three, type: 'bool' }, ['low', 'mid', 'high']],
    ['more than the file declares, which a run decides', output, ['low', 'high']],
  ])('is accepted with columns named: %s', (_, accepted, columns) => {
    expect(faults([input], [accepted], named(...columns))).toEqual([])
  })

  it.each<[string, OnnxValue, string[], RegExp]>([
    [
      'names for three dimensions',
      { ...output, shape: ['N', 3, 1] },
      ['a', 'b', 'c'],
      /^m@1: output "risk": tensor "score" has shape \[N, 3, 1\]; 3 columns are named$/,
    ],
    ['no name', { ...output, shape: ['N', 'C'] }, [], /shape \[N, C\]; 0 columns are named/],
    ['a name twice', three, ['low', 'low', 'high'], /two scores are named "risk\.low"/],
  ])('is refused with columns named wrongly: %s', (...[, tensor, columns, message]) => {
    const [fault, ...others] = faults([input], [tensor], named(...columns))
    expect(fault).toMatchObject({ code: 'MODEL_OUTPUT', hint: expect.stringMatching(/./) })
    expect(fault?.message).toMatch(message)
    expect(others).toEqual([])
  })

  const columns = (...shape: number[]): OnnxValue => ({ ...input, shape: ['N', ...shape] })
  const several = (by: ModelDefinition['input'], inputs: readonly OnnxValue[]) =>
    signatureFaults({ ...model, input: by }, { inputs, outputs: [output] }, 'here')

  it('is accepted with several inputs, each with its features', () => {
    const inputs = [
      { ...columns(1), name: 'a', type: 'int64' },
      { ...columns(2), name: 'rest' },
    ]
    expect(several({ a: ['a'], rest: ['b', 'c'] }, inputs)).toEqual([])
  })

  it.each<[string, Record<string, string[]>, RegExp]>([
    ['a feature that fills two', { a: ['a', 'b', 'c'], b: ['b'] }, /feature "b" fills 2 inputs/],
    ['a feature that fills none', { a: ['a'], b: ['b'] }, /feature "c" fills 0 inputs/],
    ['one that is not a feature', { a: ['a', 'b', 'c'], b: ['x'] }, /feature "x" is not a feature/],
  ])('is refused with several inputs and %s', (_, by, message) => {
    const inputs = Object.entries(by).map(([name, f]) => ({ ...columns(f.length), name }))
    const all = several(by, inputs)
    expect(all.map((fault) => fault.message)).toEqual([expect.stringMatching(message)])
    expect(all[0]?.code).toBe('MODEL_INPUT')
  })

  it('is refused with text labels, saying how to do without them', () => {
    const [fault] = faults([input], [{ ...output, type: 'string' }])
    expect(fault?.hint).toMatch(/one name a class: \{ tensor, columns: .*LabelEncoder/)
  })

  it('is refused when no output is declared, naming those that are there', () => {
    expect(faults([input], [output], {})[0]?.hint).toBe('the model gives "score"')
  })

  it('is refused for all faults at once', () => {
    const codes = faults([{ name: 'x', type: 'string', shape: [1, 2] }], []).map((f) => f.code)
    expect(codes).toEqual([
      'MODEL_INPUT',
      'MODEL_INPUT',
      'MODEL_INPUT',
      'MODEL_INPUT',
      'MODEL_OUTPUT',
    ])
  })
})
