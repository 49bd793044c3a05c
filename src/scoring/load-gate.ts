import {
  type Code,
  messageOf,
  orFault,
  Refused,
  refuseIfAny,
  TidemarkError,
} from '../kernel/errors.ts'
import type { ModelDefinition, OutputDefinition } from '../topology/models.ts'
import type { OnnxValue } from '../trees/onnx-file.ts'
import {
  type Golden,
  type GoldenCheck,
  goldenDifferences,
  goldenFaults,
  readGolden,
  TOLERANCE,
} from './golden.ts'
import { isLackOfMemory } from './memory-limit.ts'
import { shown } from './model-files.ts'
import { isNumberType, NUMBER_TYPES, widthOf } from './onnx-session.ts'
import { ON_CPU, type OpenedModel, type Runner, type Signature } from './runner.ts'
import { scoreColumns } from './scorer.ts'
import type { UncheckedModel } from './unchecked-model.ts'
import { dependsOnBatch, sampleRows } from './warm-up.ts'

/** More than one, to detect a fixed batch size. */
const TRIAL_ROWS = 4

/**
 * @param most golden rows of a batch @default one if other rows change its scores, else any number
 * @throws Refused with all independent faults at once, without those that follow from another
 */
export async function proveModel(
  uncheckedModel: UncheckedModel,
  open: (model: UncheckedModel) => Promise<OpenedModel>,
  most: number | null = null,
) {
  const { model, modelFile, where, golden: url } = uncheckedModel
  const faults = shaFaults(uncheckedModel)
  const check: GoldenCheck = { model, sha256: faults.length === 0 ? modelFile.sha256 : null, where }
  const runner = await collected(open(uncheckedModel), faults)
  if (runner !== null) faults.push(...signatureFaults(model, runner.signature, where))
  const golden = url && (await collected(readGolden(url, where), faults))
  if (golden !== null) faults.push(...goldenFaults(golden, check))
  if (runner === null) throw new Refused(faults)
  try {
    refuseIfAny(faults)
    const sample = sampleRows(model.features.length, golden)
    refuseIfAny(await trialFaults(runner, { sample, golden }, check))
    /** Whether each row must run alone, because other rows of a batch change its scores. */
    const isAlone = await dependsOnBatch(runner, sample, roundingOf(runner, golden))
    const runs = { runner, atMost: most ?? (isAlone ? 1 : Number.POSITIVE_INFINITY) }
    if (golden !== null) refuseIfAny(await goldenDifferences(golden, runs, check))
    return { runner, golden, isAlone }
  } catch (error) {
    await runner.close()
    if (!isLackOfMemory(error)) throw error
    const message = `${model.name}@${model.version} needs more memory than is free to score rows`
    const hint = 'give the process more memory, or use a smaller model'
    throw new TidemarkError('MODEL_LOAD', message, { where, hint, cause: error })
  }
}

/** How far the scores of a row may differ from batch to batch: other processors round otherwise. */
function roundingOf({ placement = ON_CPU }: OpenedModel, golden: Golden | null): number {
  return placement.provider === ON_CPU.provider ? 0 : (golden?.tolerance ?? TOLERANCE)
}

async function trialFaults(
  runner: Runner,
  { sample, golden }: { readonly sample: Float32Array; readonly golden: Golden | null },
  { model, where }: GoldenCheck,
): Promise<TidemarkError[]> {
  try {
    await runner.run(sample.subarray(0, TRIAL_ROWS * model.features.length), TRIAL_ROWS)
    return []
  } catch (cause) {
    if (isLackOfMemory(cause)) throw cause
    const message = `${model.name}@${model.version}: a trial run of ${TRIAL_ROWS} rows: ${messageOf(cause)}`
    const madeUp =
      golden === null ? '; these rows were generated: golden rows make a fairer trial' : ''
    const hint = `a model must take any number of rows and return its scores for each: export with a dynamic batch axis; ${COLUMNS}${madeUp}`
    return [new TidemarkError('MODEL_OUTPUT', message, { where, hint, cause })]
  }
}

function shaFaults({ model, modelFile, sha256, where }: UncheckedModel): TidemarkError[] {
  if (sha256 === null || sha256 === modelFile.sha256) return []
  const message = `${model.name}@${model.version}: ${shown(modelFile.file)} has sha256 ${modelFile.sha256.slice(0, 12)}, the definition says ${sha256.slice(0, 12)}`
  const hint =
    'restore the intended file, or write the definition again, with a new version, with `tidemark model types`'
  return [new TidemarkError('MODEL_SHA256', message, { where, hint })]
}

/** The result; `null`: it failed, and its error is among `faults`. */
async function collected<T>(result: Promise<T>, faults: TidemarkError[]): Promise<T | null> {
  try {
    return await result
  } catch (error) {
    faults.push(orFault(error))
    return null
  }
}

const FREE_BATCH =
  "export with a dynamic batch axis: skl2onnx FloatTensorType([None, n]), torch dynamic_axes={'<input>': {0: 'N'}}"
const ZIPMAP =
  "export without ZipMap: skl2onnx convert_sklearn(..., options={'zipmap': False}), onnxmltools convert_lightgbm(..., zipmap=False) (convert_xgboost alike)"

const COLUMNS = "name every column, in the tensor's order, or read one: { tensor, column }"

const LABELS =
  "a score is a number. Read the probabilities, one name a class: { tensor, columns: ['low', 'high'] }; or train on whole-number labels (scikit-learn: y = LabelEncoder().fit_transform(y)) and export again"

/** The differences of a model file from its definition: `MODEL_INPUT` and `MODEL_OUTPUT`. */
export function signatureFaults(
  model: ModelDefinition,
  { inputs, outputs }: Signature,
  where: string,
): TidemarkError[] {
  const faultOf = (code: Code) => {
    return ({ message, hint }: Record<'message' | 'hint', string>) =>
      new TidemarkError(code, `${model.name}@${model.version}: ${message}`, { where, hint })
  }
  return [
    ...[...inputFaults(model, inputs)].map(faultOf('MODEL_INPUT')),
    ...[...outputFaults(model, outputs)].map(faultOf('MODEL_OUTPUT')),
  ]
}

function* inputFaults(model: ModelDefinition, inputs: readonly OnnxValue[]) {
  const { input, features } = model
  const fed = typeof input === 'string' ? [[input, features] as const] : Object.entries(input)
  const unfed = inputs.filter(({ name }) => !fed.some(([tensor]) => tensor === name))
  const absent = fed.filter(([tensor]) => !inputs.some(({ name }) => name === tensor))
  if (unfed.length + absent.length > 0) {
    const takes = `the model takes ${names(inputs)}`
    const message = `${takes}, the definition fills ${fed.map(([tensor]) => `"${tensor}"`).join(', ')}`
    const hint = 'let `tidemark model types` write the definition; a model takes numbers by event'
    yield { message, hint }
  }
  for (const feature of new Set([...features, ...fed.flatMap(([, columns]) => columns)])) {
    const times = fed.flatMap(([, columns]) => columns).filter((name) => name === feature).length
    if (times === 1 && features.includes(feature)) continue
    const problem = features.includes(feature) ? `fills ${times} inputs` : 'is not a feature'
    const hint = 'name each feature once, as a column of one input'
    yield { message: `feature "${feature}" ${problem}`, hint }
  }
  for (const tensor of inputs) {
    const isOnly = inputs.length === 1 && fed.length === 1
    const columns = fed.find(([name]) => isOnly || name === tensor.name)?.[1]
    if (columns !== undefined) yield* tensorFaults(tensor, columns)
  }
}

function* tensorFaults(input: OnnxValue, features: readonly string[]) {
  if (!isNumberType(input.type)) {
    const message = `input "${input.name}" is ${input.type ?? 'not a tensor'}, a feature is a number`
    const hint = 'encode texts as numbers in the topology, and export the model behind the encoder'
    yield { message, hint }
  }
  const shape = `input "${input.name}" has shape ${shapeOf(input)}`
  const featureCount = features.length
  if (input.shape.length !== 2) {
    const hint = `export with one row an event: [N, ${featureCount}]`
    yield { message: `${shape}, not [N, ${featureCount}]`, hint }
    return
  }
  const [rows, columns] = input.shape
  if (typeof rows === 'number') {
    const message = `${shape}: the batch is fixed at ${rows}`
    yield { message, hint: FREE_BATCH.replace('<input>', input.name) }
  }
  if (typeof columns === 'number' && columns !== featureCount) {
    const message = `input "${input.name}" takes ${columns} features, the topology gives ${featureCount}: ${features.join(', ')}`
    const hint = 'is it the file of this model? else train it on these features, in this order'
    yield { message, hint }
  }
}

function* outputFaults(model: ModelDefinition, outputs: readonly OnnxValue[]) {
  const declared = Object.entries(model.outputs)
  if (declared.length === 0) {
    yield { message: 'no output is declared', hint: `the model gives ${names(outputs)}` }
  }
  for (const [name, output] of declared) {
    const wrong = outputFault(output, outputs)
    if (wrong !== null) yield { ...wrong, message: `output "${name}": ${wrong.message}` }
  }
  const scores = scoreColumns(model.outputs).map((column) => column.name)
  for (const name of new Set(scores.filter((score, i) => scores.indexOf(score) !== i))) {
    yield { message: `two scores are named "${name}"`, hint: 'give each column its own name' }
  }
}

function outputFault({ tensor, column, columns }: OutputDefinition, outputs: readonly OnnxValue[]) {
  const output = outputs.find((o) => o.name === tensor)
  const subject = `tensor "${tensor}"`
  if (output === undefined) {
    const hint = `the model gives ${names(outputs)}${zipMapsAmong(outputs)}`
    return { message: `${subject} is not in the model`, hint }
  }
  if (output.type === null) {
    return { message: `${subject} is a list of dictionaries (ZipMap), not a tensor`, hint: ZIPMAP }
  }
  if (!isNumberType(output.type)) {
    const hint = output.type === 'string' ? LABELS : `a score is one of ${NUMBER_TYPES.join(', ')}`
    return { message: `${subject} is ${output.type}`, hint }
  }
  const shape = `${subject} has shape ${shapeOf(output)}`
  const width = widthOf(output)
  if (columns === undefined) {
    // A trial run checks the width if the file does not say it.
    const most = width ?? Number.POSITIVE_INFINITY
    if (Number.isInteger(column) && column >= 0 && column < most) return null
    const hint = 'columns count from 0; a tensor is [N] (column 0) or [N, columns]'
    return { message: `${shape} and no column ${column}`, hint }
  }
  // A trial run checks the width, because exporters of several outputs declare it wrongly.
  if (columns.length > 0 && width !== 0) return null
  return { message: `${shape}; ${columns.length} columns are named`, hint: COLUMNS }
}

/** A missing tensor may be one that a ZipMap has turned into dictionaries. */
function zipMapsAmong(outputs: readonly OnnxValue[]): string {
  const zipMaps = outputs.filter((o) => o.type === null)
  if (zipMaps.length === 0) return ''
  return `; ${names(zipMaps)} is a list of dictionaries (ZipMap), not a tensor: ${ZIPMAP}`
}

function names(tensors: readonly OnnxValue[]): string {
  return tensors.map((t) => `"${t.name}"`).join(', ') || 'nothing'
}

function shapeOf({ shape }: OnnxValue): string {
  return `[${shape.map((d) => (d === '' ? '?' : d)).join(', ')}]`
}
