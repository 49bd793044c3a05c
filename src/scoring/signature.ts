import { type Code, TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition, OutputDefinition } from '../topology/models.ts'
import { SCORE_TYPES, type TensorInfo } from './onnx-session.ts'
import { scoreColumns } from './score-columns.ts'

/** The inputs and outputs that a model file declares. */
export interface Signature {
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
}

const FREE_BATCH =
  "export with a dynamic batch axis: skl2onnx FloatTensorType([None, n]), torch dynamic_axes={'<input>': {0: 'N'}}"
const ZIPMAP =
  "export without ZipMap: skl2onnx convert_sklearn(..., options={'zipmap': False}), onnxmltools convert_lightgbm(..., zipmap=False) (convert_xgboost alike)"

const LABELS =
  "a score is a number. Read the probabilities, one name a class: { tensor, columns: ['low', 'high'] }; or train on whole-number labels (scikit-learn: y = LabelEncoder().fit_transform(y)) and export again"

/**
 * Everything in which a model file differs from its definition: `MODEL_INPUT` and `MODEL_OUTPUT`,
 * each with a hint.
 */
export function signatureFaults(
  model: ModelDefinition,
  { inputs, outputs }: Signature,
  where: string,
): TidemarkError[] {
  const faults = [...inputFaults(model, inputs), ...outputFaults(model, outputs)]
  return faults.map(({ code, message, hint }) => {
    return new TidemarkError(code, `${model.name}@${model.version}: ${message}`, { where, hint })
  })
}

interface SignatureFault {
  readonly code: Code
  readonly message: string
  readonly hint: string
}

function* inputFaults(
  model: ModelDefinition,
  inputs: readonly TensorInfo[],
): Generator<SignatureFault> {
  const code = 'MODEL_INPUT'
  const [input] = inputs
  if (input === undefined || inputs.length > 1) {
    const message = `the model takes ${inputs.length} inputs (${names(inputs)}), the topology gives one`
    yield {
      code,
      message,
      hint: 'export with all features as columns of one input, float32[N, features]',
    }
    return
  }
  if (input.name !== model.input) {
    const message = `the model's input is "${input.name}", the definition says "${model.input}"`
    yield {
      code,
      message,
      hint: `write input: '${input.name}', or let \`tidemark model types\` write the definition`,
    }
  }
  if (input.type !== 'float32') {
    const message = `input "${input.name}" is ${input.type ?? 'not a tensor'}, features are float32`
    yield {
      code,
      message,
      hint: 'export with float32: skl2onnx FloatTensorType, torch model.float()',
    }
  }
  yield* shapeFaults(model, input)
}

function* shapeFaults(model: ModelDefinition, input: TensorInfo): Generator<SignatureFault> {
  const code = 'MODEL_INPUT'
  const shape = `input "${input.name}" has shape ${shapeOf(input)}`
  const given = model.features.length
  if (input.shape.length !== 2) {
    yield {
      code,
      message: `${shape}, not [N, ${given}]`,
      hint: `export with one row an event: [N, ${given}]`,
    }
    return
  }
  const [rows, columns] = input.shape
  if (typeof rows === 'number') {
    yield {
      code,
      message: `${shape}: the batch is fixed at ${rows}`,
      hint: FREE_BATCH.replace('<input>', input.name),
    }
  }
  if (typeof columns === 'number' && columns !== given) {
    const message = `the model takes ${columns} features, the topology gives ${given}: ${model.features.join(', ')}`
    yield {
      code,
      message,
      hint: 'is it the file of this model? else train it on these features, in this order',
    }
  }
}

function* outputFaults(
  model: ModelDefinition,
  outputs: readonly TensorInfo[],
): Generator<SignatureFault> {
  const code = 'MODEL_OUTPUT'
  const declared = Object.entries(model.outputs)
  if (declared.length === 0) {
    yield { code, message: 'no output is declared', hint: `the model gives ${names(outputs)}` }
  }
  for (const [name, output] of declared) {
    const wrong = outputFault(output, outputs)
    if (wrong === null) continue
    yield { code, message: `output "${name}": ${wrong.message}`, hint: wrong.hint }
  }
  for (const name of namedTwice(model)) {
    const message = `two scores are named "${name}"`
    yield { code, message, hint: 'give each column its own name' }
  }
}

function outputFault(
  { tensor, column, columns }: OutputDefinition,
  outputs: readonly TensorInfo[],
): Omit<SignatureFault, 'code'> | null {
  const output = outputs.find((o) => o.name === tensor)
  const what = `tensor "${tensor}"`
  if (output === undefined) {
    const hint = `the model gives ${names(outputs)}${zipMapsAmong(outputs)}`
    return { message: `${what} is not in the model`, hint }
  }
  if (output.type === null) {
    return { message: `${what} is a list of dictionaries (ZipMap), not a tensor`, hint: ZIPMAP }
  }
  if (!SCORE_TYPES.includes(output.type)) {
    const hint = output.type === 'string' ? LABELS : `a score is one of ${SCORE_TYPES.join(', ')}`
    return { message: `${what} is ${output.type}`, hint }
  }
  const shape = `${what} has shape ${shapeOf(output)}`
  if (columns === undefined) {
    if (hasColumn(output, column)) return null
    const hint = 'columns count from 0; a tensor is [N] (column 0) or [N, columns]'
    return { message: `${shape} and no column ${column}`, hint }
  }
  const width = widthOf(output)
  if (columns.length > 0 && (width === null || width === columns.length)) return null
  const has = width === null ? '' : `, ${width} columns`
  const hint = "name every column, in the tensor's order, or read one: { tensor, column }"
  return { message: `${shape}${has}; ${columns.length} are named: ${columns.join(', ')}`, hint }
}

function namedTwice({ outputs }: ModelDefinition): Set<string> {
  const scores = scoreColumns(outputs).map((c) => c.name)
  return new Set(scores.filter((name, i) => scores.indexOf(name) !== i))
}

/** A missing tensor may be one that a ZipMap has turned into dictionaries. */
function zipMapsAmong(outputs: readonly TensorInfo[]): string {
  const zipMaps = outputs.filter((o) => o.type === null)
  if (zipMaps.length === 0) return ''
  return `; ${names(zipMaps)} is a list of dictionaries (ZipMap), not a tensor: ${ZIPMAP}`
}

/** Whether the column exists, as far as the file says; a trial run checks the rest. */
function hasColumn(output: TensorInfo, column: number): boolean {
  const width = widthOf(output) ?? Number.POSITIVE_INFINITY
  return Number.isInteger(column) && column >= 0 && column < width
}

/**
 * How many columns a tensor has; `null` when the file does not say; 0 if its rank is above 2.
 */
export function widthOf({ shape }: TensorInfo): number | null {
  if (shape.length > 2) return 0
  const columns = shape.length === 1 ? 1 : shape[1]
  return typeof columns === 'number' ? columns : null
}

function names(tensors: readonly TensorInfo[]): string {
  return tensors.map((t) => `"${t.name}"`).join(', ') || 'nothing'
}

function shapeOf({ shape }: TensorInfo): string {
  return `[${shape.map((d) => (d === '' ? '?' : d)).join(', ')}]`
}
