import { type Code, TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/definition.ts'
import { SCORE_TYPES, type TensorInfo } from './onnx-session.ts'

/** What a model file says about its inputs and outputs. */
export interface Signature {
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
}

const FREE_BATCH =
  "export with a dynamic batch axis: skl2onnx FloatTensorType([None, n]), torch dynamic_axes={'<input>': {0: 'N'}}"
const ZIPMAP =
  "export without ZipMap: skl2onnx convert_sklearn(..., options={'zipmap': False}), onnxmltools convert_lightgbm(..., zipmap=False) (convert_xgboost alike)"

/** Everything in which a model file differs from its definition: `MODEL_INPUT` and `MODEL_OUTPUT`, each with a hint. */
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

interface Fault {
  readonly code: Code
  readonly message: string
  readonly hint: string
}

function* inputFaults(model: ModelDefinition, inputs: readonly TensorInfo[]): Generator<Fault> {
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

function* shapeFaults(model: ModelDefinition, input: TensorInfo): Generator<Fault> {
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

function* outputFaults(model: ModelDefinition, outputs: readonly TensorInfo[]): Generator<Fault> {
  const code = 'MODEL_OUTPUT'
  const declared = Object.entries(model.outputs)
  if (declared.length === 0) {
    yield { code, message: 'no output is declared', hint: `the model gives ${names(outputs)}` }
  }
  for (const [name, { tensor, column }] of declared) {
    const output = outputs.find((o) => o.name === tensor)
    const what = `output "${name}": tensor "${tensor}"`
    if (output === undefined) {
      yield {
        code,
        message: `${what} is not in the model`,
        hint: `the model gives ${names(outputs)}${zipMapsAmong(outputs)}`,
      }
    } else if (output.type === null) {
      yield {
        code,
        message: `${what} is a list of dictionaries (ZipMap), not a tensor`,
        hint: ZIPMAP,
      }
    } else if (!SCORE_TYPES.includes(output.type)) {
      yield {
        code,
        message: `${what} is ${output.type}`,
        hint: `a score is one of ${SCORE_TYPES.join(', ')}`,
      }
    } else if (!hasColumn(output, column)) {
      const message = `${what} has shape ${shapeOf(output)} and no column ${column}`
      yield {
        code,
        message,
        hint: 'columns count from 0; a tensor is [N] (column 0) or [N, columns]',
      }
    }
  }
}

/** The tensor that is missed may be what a ZipMap has made dictionaries of. */
function zipMapsAmong(outputs: readonly TensorInfo[]): string {
  const zipMaps = outputs.filter((o) => o.type === null)
  if (zipMaps.length === 0) return ''
  return `; ${names(zipMaps)} is a list of dictionaries (ZipMap), not a tensor: ${ZIPMAP}`
}

/** As far as the file says; a trial run decides the rest. */
function hasColumn({ shape }: TensorInfo, column: number): boolean {
  const columns = shape.length === 1 ? 1 : shape[1]
  const known = typeof columns === 'number' ? columns : Number.POSITIVE_INFINITY
  return shape.length <= 2 && Number.isInteger(column) && column >= 0 && column < known
}

function names(tensors: readonly TensorInfo[]): string {
  return tensors.map((t) => `"${t.name}"`).join(', ') || 'nothing'
}

function shapeOf({ shape }: TensorInfo): string {
  return `[${shape.map((d) => (d === '' ? '?' : d)).join(', ')}]`
}
