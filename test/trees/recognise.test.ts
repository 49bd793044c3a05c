import { describe, expect, test } from 'vitest'
import { NotRead } from '../../src/trees/ensemble.ts'
import { TreeEvaluator } from '../../src/trees/evaluator.ts'
import {
  ELEMENT,
  type OnnxAttribute,
  type OnnxNode,
  type OnnxTensor,
  readOnnx,
} from '../../src/trees/onnx-file.ts'
import { recognise } from '../../src/trees/recognise.ts'

const NONE: Omit<OnnxAttribute, 'name'> = {
  float: 0,
  whole: 0,
  text: '',
  tensor: null,
  floats: [],
  wholes: [],
  texts: [],
}

function node(
  operator: string,
  [inputs, outputs]: readonly [string, string],
  attributes: Readonly<Record<string, Partial<OnnxAttribute>>> = {},
): OnnxNode {
  const all = Object.entries(attributes).map(
    ([name, own]) => [name, { name, ...NONE, ...own }] as const,
  )
  return {
    operator,
    inputs: inputs.split(' '),
    outputs: outputs.split(' '),
    attributes: new Map(all),
  }
}

function constant(name: string, values: readonly number[], type: number = ELEMENT.float32) {
  const none = { ints: [], wholes: [], raw: new Uint8Array(0), isElsewhere: 0 }
  return [name, { name, type, dims: [values.length], floats: values, ...none }] as const
}

/** One tree: x₀ ≤ 0.5 gives 0.1 to class 0 of two, else −0.3. */
const TREE = {
  nodes_treeids: { wholes: [0, 0, 0] },
  nodes_nodeids: { wholes: [0, 1, 2] },
  nodes_modes: { texts: ['BRANCH_LEQ', 'LEAF', 'LEAF'] },
  nodes_featureids: { wholes: [0, 0, 0] },
  nodes_values: { floats: [0.5, 0, 0] },
  nodes_truenodeids: { wholes: [1, 0, 0] },
  nodes_falsenodeids: { wholes: [2, 0, 0] },
}
const CLASSES = {
  class_treeids: { wholes: [0, 0] },
  class_nodeids: { wholes: [1, 2] },
  class_ids: { wholes: [0, 0] },
  class_weights: { floats: [0.1, -0.3].map(Math.fround) },
  classlabels_int64s: { wholes: [7, 9] },
  post_transform: { text: 'LOGISTIC' },
}
const CLASSIFIER = 'ai.onnx.ml.TreeEnsembleClassifier'
const trees = node(CLASSIFIER, ['x', 'label scores'], { ...TREE, ...CLASSES })

function known(
  nodes: readonly OnnxNode[],
  tensor = 'out',
  constants: readonly (readonly [string, OnnxTensor])[] = [],
) {
  const wanted = [{ tensor, column: 0 }]
  return recognise(
    { inputs: [], outputs: [], nodes, constants: new Map(constants) },
    { input: 'x', features: 2, wanted },
  )
}

/** The scores of the rows (0, 1) and (1, 0). */
function scoresOf(model: ReturnType<typeof known>): number[] {
  const [scores] = new TreeEvaluator(model, 2).run(Float32Array.of(0, 1, 1, 0), 2)
  return [...(scores ?? [])]
}

describe('around the trees', () => {
  const plain = scoresOf(known([trees], 'scores'))

  test('labels are those of the file', () => {
    expect(scoresOf(known([trees], 'label'))).toEqual([9, 7])
  })

  test.each<[string, OnnxNode]>([
    ['Identity', node('Identity', ['scores', 'out'])],
    ['a cast to what it is', node('Cast', ['scores', 'out'], { to: { whole: ELEMENT.float32 } })],
    ['a factor of one', node('Mul', ['scores one', 'out'])],
    ['a factor of one before it', node('Mul', ['one scores', 'out'])],
    ['a choice of columns', node('Gather', ['scores first', 'out'], { axis: { whole: 1 } })],
    ['a feature extractor', node('ai.onnx.ml.ArrayFeatureExtractor', ['scores first', 'out'])],
  ])('%s changes nothing', (_, after) => {
    const constants = [constant('one', [1]), constant('first', [0], ELEMENT.int64)]
    expect(scoresOf(known([trees, after], 'out', constants))).toEqual(plain)
  })

  test('another factor multiplies in float32', () => {
    const model = known([trees, node('Mul', ['scores third', 'out'])], 'out', [
      constant('third', [Math.fround(1 / 3)]),
    ])
    expect(scoresOf(model)).toEqual(plain.map((s) => Math.fround(s * Math.fround(1 / 3))))
  })

  test('features that change places before the trees', () => {
    const model = known(
      [
        node('ai.onnx.ml.ArrayFeatureExtractor', ['x turned', 'y']),
        node(CLASSIFIER, ['y', 'label out'], { ...TREE, ...CLASSES }),
      ],
      'out',
      [constant('turned', [1, 0], ELEMENT.int64)],
    )
    expect(scoresOf(model)).toEqual(plain.toReversed())
  })
})

describe('what is not known stays with ONNX Runtime, and says what it is', () => {
  const twice = [trees, node(CLASSIFIER, ['x', 'label2 scores2'], { ...TREE, ...CLASSES })]
  const texts = { classlabels_int64s: {}, classlabels_strings: { texts: ['a', 'b'] } }
  const scaler = { offset: { floats: [0] }, scale: { floats: [2] } }
  test.each<[string, readonly OnnxNode[], string]>([
    ['operator MatMul', [trees, node('MatMul', ['scores w', 'out'])], 'out'],
    ['2 tree ensembles', twice, 'scores'],
    ['operator Cast', [trees, node('Cast', ['scores', 'out'], { to: { whole: 11 } })], 'out'],
    ['operator Mul', [trees, node('Mul', ['scores two', 'out'])], 'out'],
    ['tensor "else"', [trees], 'else'],
    ['"x" is not an output of trees', [trees], 'x'],
    [
      'labels that are strings',
      [node(CLASSIFIER, ['x', 'label scores'], { ...TREE, ...CLASSES, ...texts })],
      'label',
    ],
    [
      'operator ai.onnx.ml.ArrayFeatureExtractor',
      [
        node('ai.onnx.ml.Scaler', ['x', 'y'], scaler),
        node('ai.onnx.ml.ArrayFeatureExtractor', ['y first', 'z']),
        node(CLASSIFIER, ['z', 'label scores'], { ...TREE, ...CLASSES }),
      ],
      'scores',
    ],
    [
      'feature 2 of 2',
      [
        node(CLASSIFIER, ['x', 'label scores'], {
          ...TREE,
          ...CLASSES,
          nodes_featureids: { wholes: [2, 0, 0] },
        }),
      ],
      'scores',
    ],
    [
      'target 2 of 2',
      [
        node(CLASSIFIER, ['x', 'label scores'], {
          ...TREE,
          ...CLASSES,
          class_ids: { wholes: [0, 2] },
        }),
      ],
      'scores',
    ],
    [
      'values in double precision',
      [
        node(CLASSIFIER, ['x', 'label scores'], {
          ...TREE,
          ...CLASSES,
          nodes_values_as_tensor: {},
        }),
      ],
      'scores',
    ],
    [
      'unknown value "PROBIT"',
      [
        node(CLASSIFIER, ['x', 'label scores'], {
          ...TREE,
          ...CLASSES,
          post_transform: { text: 'PROBIT' },
        }),
      ],
      'scores',
    ],
    [
      'the nodes form a cycle',
      [
        node(CLASSIFIER, ['x', 'label scores'], {
          ...TREE,
          ...CLASSES,
          nodes_truenodeids: { wholes: [0, 0, 0] },
        }),
      ],
      'scores',
    ],
    [
      'tree 0 has no node 5',
      [
        node(CLASSIFIER, ['x', 'label scores'], {
          ...TREE,
          ...CLASSES,
          nodes_truenodeids: { wholes: [5, 0, 0] },
        }),
      ],
      'scores',
    ],
  ])('%s', (reason, nodes, tensor) => {
    const constants = [
      constant('two', [1, 2]),
      constant('w', [1]),
      constant('first', [0], ELEMENT.int64),
    ]
    expect(() => known(nodes, tensor, constants)).toThrow(new NotRead(reason))
  })

  test('a file of zeros, at its first byte', () => {
    expect(() => readOnnx(Buffer.alloc(64))).toThrow('field number 0')
  })

  test('a file that is none', () => {
    expect(() => readOnnx(Buffer.from('this is no model, it only has as many bytes'))).toThrow(
      /wire type|out of range/,
    )
  })
})
