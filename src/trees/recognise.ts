import { type Ensemble, isLeaf, NotRead, nodesOf } from './ensemble.ts'
import { ELEMENT, type OnnxModel, type OnnxNode, type OnnxTensor, valuesOf } from './onnx-file.ts'
import { isEnsemble, readEnsemble } from './read-ensemble.ts'

// Recognises models that are a tree ensemble with the additions of exporters: casts, column
// selection and factors, and before it scaling and imputation of features.

export interface Wanted {
  readonly tensor: string
  readonly column: number
}

export interface TreeModel {
  readonly ensemble: Ensemble
  readonly steps: readonly RowStep[]
  /** The model's feature for each of the trees' features. */
  readonly features: readonly number[]
  readonly columns: readonly Column[]
}

/** A preprocessing step; lists are by the trees' features. All numbers are float32. */
export type RowStep =
  | {
      readonly does: 'scale'
      readonly offsets: readonly number[]
      readonly factors: readonly number[]
    }
  | { readonly does: 'fill'; readonly replaced: number; readonly by: readonly number[] }

/** A number of the output. `score`: index of the target; `factors`: multiplied one by one. */
export type Column =
  | { readonly is: 'score'; readonly score: number; readonly factors: readonly number[] }
  | { readonly is: 'label' }

type KnownTensor =
  | {
      readonly kind: 'rows'
      readonly features: readonly number[]
      readonly steps: readonly RowStep[]
    }
  | { readonly kind: 'columns'; readonly columns: readonly Column[] }
  | { readonly kind: 'constant'; readonly tensor: OnnxTensor }
  | { readonly kind: 'unknown'; readonly why: string }

interface TreeReading {
  /** The tensor that takes whole rows; or tensors, each with the features that it takes. */
  readonly input: string | Readonly<Record<string, readonly number[]>>
  /** Width of a row. */
  readonly features: number
  readonly wanted: readonly Wanted[]
}

/** @throws NotRead */
export function recognise(
  { inputs: declared, nodes, constants }: OnnxModel,
  { input, features, wanted }: TreeReading,
): TreeModel {
  const all = Array.from({ length: features }, (_, feature) => feature)
  const tensors = new Map<string, KnownTensor>()
  for (const [name, taken] of Object.entries(
    typeof input === 'string' ? { [input]: all } : input,
  )) {
    const type = declared.find((tensor) => tensor.name === name)?.type ?? 'float32'
    const isFloat = type === 'float32' || type === 'float64'
    const rows: KnownTensor = { kind: 'rows', features: taken, steps: [] }
    tensors.set(name, isFloat ? rows : unknown(`input "${name}" is ${type}`))
  }
  for (const [name, tensor] of constants) tensors.set(name, { kind: 'constant', tensor })
  const seen: { ensemble: Ensemble; rows: KnownTensor & { kind: 'rows' } }[] = []
  for (const node of nodes) {
    const inputs = node.inputs.map((name) => tensors.get(name) ?? unknown(`tensor "${name}"`))
    const results = isEnsemble(node) ? ensembleOf(node, inputs, seen) : outputsOf(node, inputs)
    for (const [i, name] of node.outputs.entries())
      tensors.set(name, results[i] ?? unknown(node.operator))
  }
  const columns = wanted.map(({ tensor, column }) => {
    const output = tensors.get(tensor) ?? unknown(`tensor "${tensor}"`)
    const selectedColumn = output.kind === 'columns' ? output.columns[column] : undefined
    if (selectedColumn !== undefined) return selectedColumn
    const why = `"${tensor}" is not an output of trees`
    throw new NotRead(output.kind === 'unknown' ? output.why : why)
  })
  const [first, other] = seen
  if (first === undefined || other !== undefined) {
    throw new NotRead(`${seen.length} tree ensembles`)
  }
  return { ensemble: first.ensemble, ...first.rows, columns }
}

function unknown(why: string): KnownTensor {
  return { kind: 'unknown', why }
}

function ensembleOf(
  node: OnnxNode,
  [rows]: readonly KnownTensor[],
  seen: { ensemble: Ensemble; rows: KnownTensor & { kind: 'rows' } }[],
): readonly KnownTensor[] {
  if (rows?.kind !== 'rows') return node.outputs.map(() => rows ?? unknown(node.operator))
  const ensemble = readEnsemble(node)
  refuseOutOfRange(ensemble, rows.features.length)
  seen.push({ ensemble, rows })
  const columns = Array.from({ length: ensemble.targets }, (_, score): Column => {
    return { is: 'score', score, factors: [] }
  })
  const scores: KnownTensor = { kind: 'columns', columns }
  if (ensemble.classes === null) return [scores]
  const labels: KnownTensor =
    ensemble.classes.labels === null
      ? unknown('labels that are strings')
      : { kind: 'columns', columns: [{ is: 'label' }] }
  return [labels, scores]
}

/** ONNX Runtime would access other memory. @throws NotRead */
function refuseOutOfRange({ trees, targets }: Ensemble, features: number): void {
  for (const node of trees.flatMap((tree) => [...nodesOf(tree)])) {
    if (isLeaf(node)) {
      const strange = node.weights.find(({ target }) => !(target >= 0 && target < targets))
      if (strange !== undefined) throw new NotRead(`target ${strange.target} of ${targets}`)
    } else if (!(node.feature >= 0 && node.feature < features)) {
      throw new NotRead(`feature ${node.feature} of ${features}`)
    }
  }
}

function outputsOf(node: OnnxNode, inputs: readonly KnownTensor[]): readonly KnownTensor[] {
  const [first, second] = inputs
  const strange = inputs.find((tensor) => tensor.kind === 'unknown')
  if (strange !== undefined) return node.outputs.map(() => strange)
  const isJoining = node.operator === 'Concat' || node.operator === FEATURE_VECTORIZER
  const rule = isJoining ? () => sideBySide(node, inputs) : RULES[node.operator]
  const made = first === undefined || rule === undefined ? null : rule(node, first, second ?? null)
  return [made ?? unknown(`operator ${node.operator}`)]
}

/** `null`: not supported. */
type Rule = (node: OnnxNode, first: KnownTensor, second: KnownTensor | null) => KnownTensor | null

const RULES: Readonly<Record<string, Rule>> = {
  Identity: (_, first) => first,
  Constant: ({ attributes }) => {
    const tensor = attributes.get('value')?.tensor ?? null
    return tensor === null ? null : { kind: 'constant', tensor }
  },
  Cast: (node, first) => {
    const to = node.attributes.get('to')?.whole
    if (first.kind === 'rows') return to === ELEMENT.float32 ? first : null
    if (first.kind !== 'columns') return null
    const areLabels = first.columns.every(({ is }) => is === 'label')
    const wholes: readonly unknown[] = [ELEMENT.int64, ELEMENT.int32]
    return areLabels === wholes.includes(to) && (areLabels || to === ELEMENT.float32) ? first : null
  },
  Mul: (_, first, second) => {
    const [columns, constant] = first.kind === 'columns' ? [first, second] : [second, first]
    if (columns?.kind !== 'columns' || constant?.kind !== 'constant') return null
    const [factor, ...others] = valuesOf(constant.tensor) ?? []
    const isFactor = others.length === 0 && constant.tensor.type === ELEMENT.float32
    if (factor === undefined || !isFactor) return null
    return scaled(columns.columns, factor)
  },
  Gather: ({ attributes }, first, second) =>
    attributes.get('axis')?.whole === 1 ? chosen(first, second) : null,
  'ai.onnx.ml.ArrayFeatureExtractor': (_, first, second) => chosen(first, second),
  'ai.onnx.ml.Scaler': ({ attributes }, first) => {
    if (first.kind !== 'rows') return null
    const wide = (name: string) => spread(attributes.get(name)?.floats ?? [], first.features.length)
    const [offsets, factors] = [wide('offset'), wide('scale')]
    if (offsets === null || factors === null) return null
    return { ...first, steps: [...first.steps, { does: 'scale', offsets, factors }] }
  },
  'ai.onnx.ml.Imputer': ({ attributes }, first) => {
    if (first.kind !== 'rows') return null
    const by = spread(attributes.get('imputed_value_floats')?.floats ?? [], first.features.length)
    const replaced = attributes.get('replaced_value_float')?.float ?? 0
    if (by === null) return null
    return { ...first, steps: [...first.steps, { does: 'fill', replaced, by }] }
  },
}

/** Joins columns without an axis to say so. */
const FEATURE_VECTORIZER = 'ai.onnx.ml.FeatureVectorizer'

function sideBySide(
  { operator, attributes }: OnnxNode,
  inputs: readonly KnownTensor[],
): KnownTensor | null {
  const axis = operator === FEATURE_VECTORIZER ? 1 : attributes.get('axis')?.whole
  const isByColumn = axis === 1 || axis === -1
  const all = inputs.filter((tensor) => tensor.kind === 'rows' && tensor.steps.length === 0)
  if (!isByColumn || all.length < inputs.length) return null
  const features = all.flatMap((tensor) => (tensor.kind === 'rows' ? tensor.features : []))
  return { kind: 'rows', features, steps: [] }
}

function scaled(columns: readonly Column[], factor: number): KnownTensor | null {
  if (factor === 1) return { kind: 'columns', columns }
  const made = columns.map((column): Column | null => {
    return column.is === 'label' ? null : { ...column, factors: [...column.factors, factor] }
  })
  return made.includes(null) ? null : { kind: 'columns', columns: made as Column[] }
}

function chosen(from: KnownTensor, by: KnownTensor | null): KnownTensor | null {
  const places = by?.kind === 'constant' ? valuesOf(by.tensor) : null
  if (places === null) return null
  if (from.kind === 'columns') {
    const columns = places.map((place) => from.columns.at(place))
    return columns.includes(undefined) ? null : { kind: 'columns', columns: columns as Column[] }
  }
  // Steps are by position, which a selection would change.
  if (from.kind !== 'rows' || from.steps.length > 0) return null
  const features = places.map((place) => from.features.at(place))
  return features.includes(undefined) ? null : { ...from, features: features as number[] }
}

/** One number for each feature; a single number applies to all. */
function spread(numbers: readonly number[], count: number): readonly number[] | null {
  if (numbers.length === count) return numbers
  return numbers.length === 1 ? Array.from({ length: count }, () => numbers[0] as number) : null
}
