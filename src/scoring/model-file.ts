import { basename, dirname, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { configFault, Refused, TidemarkError } from '../kernel/errors.ts'
import { type ModelDefinition, measureOf, type StatedAccuracy } from '../topology/models.ts'
import type { ZipMap } from '../trees/onnx-export.ts'
import type { OnnxValue } from '../trees/onnx-file.ts'
import { type Golden, readGolden } from './golden.ts'
import { proveModel } from './load-gate.ts'
import { hashIn, modelUrl } from './model-files.ts'
import { isNumberType } from './onnx-session.ts'
import { openInline, openSession } from './open-model.ts'
import { readingOf, type Signature } from './runner.ts'
import { readModel, type UncheckedModel } from './unchecked-model.ts'
import { sampleRows } from './warm-up.ts'

export type Outputs = ModelDefinition['outputs']

export interface Inspection extends Signature {
  /** As it was named: a path or a URL. */
  readonly file: string
  readonly url: URL
  readonly goldenFile: string | null
  readonly bytes: number
  readonly sha256: string
  /** `null` without a golden file. */
  readonly features: readonly string[] | null
  readonly suggested: Outputs
  /** Why a topology with the suggested outputs would refuse the model. */
  readonly problems: readonly TidemarkError[]
}

/** @throws TidemarkError `MODEL_FILE`, `MODEL_LOAD`; `MODEL_GOLDEN`: an unreadable golden file */
export async function inspectModel(file: string, goldenFile?: string): Promise<Inspection> {
  const url = modelUrl(file)
  const modelFile = await readModel(url, file, { sha256: hashIn(url) })
  const goldenUrl = goldenFile === undefined ? null : pathToFileURL(goldenFile)
  const golden = goldenUrl && (await readGolden(goldenUrl, file))
  const { inputs, outputs } = await signatureOf({ modelFile, where: file }, golden)
  const suggested = suggestOutputs(outputs, golden, modelFile.zipMap)
  const inspection = {
    file,
    url,
    goldenFile: goldenFile ?? null,
    bytes: modelFile.size,
    sha256: modelFile.sha256,
    inputs,
    outputs,
    features: golden?.features ?? null,
    suggested,
  }
  const model = definitionOf(inspection)
  const uncheckedModel = { model, modelFile, sha256: null, golden: goldenUrl, where: file }
  return { ...inspection, problems: await problemsOf(uncheckedModel) }
}

/**
 * The declared inputs and outputs, the latter with the columns that a run returns: exporters of
 * several outputs declare one column. A model that fails on the trial rows is as it is declared.
 */
async function signatureOf(
  unchecked: Pick<UncheckedModel, 'modelFile' | 'where'>,
  golden: Golden | null,
): Promise<Signature> {
  const session = await openSession(unchecked, { input: '', outputs: {} })
  const { inputs, outputs } = session.signature
  const features = golden?.features ?? placeholdersFor(inputs)
  const scores = asColumns(outputs.filter(({ type }) => isNumberType(type)))
  const reading = readingOf({ input: inputOf(inputs, features), features, outputs: scores })
  const row = sampleRows(features.length, golden).subarray(0, features.length)
  try {
    const widths = await session.widths(reading, row)
    const seen = outputs.map(({ shape: [rows = '', ...columns], ...output }): OnnxValue => {
      const width = widths.get(output.name) ?? 1
      return { ...output, shape: [rows, ...(width > 1 ? [width] : columns)] }
    })
    return { inputs, outputs: seen }
  } catch {
    return { inputs, outputs }
  } finally {
    await session.close()
  }
}

/** The definition that a model was checked with; features without names are `f0`, `f1`, …. */
export function definitionOf(inspection: Omit<Inspection, 'problems'>): ModelDefinition {
  const { url: file, goldenFile, inputs } = inspection
  const features = inspection.features ?? placeholdersFor(inputs)
  return {
    name: nameFor(file),
    version: '?',
    file,
    sha256: inspection.sha256,
    input: inputOf(inputs, features),
    features,
    outputs: { ...inspection.suggested, ...unreadable(inspection.outputs) },
    ...(goldenFile === null ? {} : { golden: pathToFileURL(goldenFile) }),
  }
}

/** The name in a registry, or that of the file. */
export function nameFor({ protocol, pathname }: URL): string {
  const path = decodeURIComponent(pathname)
  return protocol === 'models:' ? path.replace(/^\/|[@/][^@/]*$/g, '') : basename(path, '.onnx')
}

/** Names for features: that of an input of one column, if there are several inputs. */
function placeholdersFor(inputs: readonly OnnxValue[]): string[] {
  if (inputs.length === 1) return placeholders('f', columnsOf(inputs[0]))
  return inputs.flatMap((input) => {
    const columns = columnsOf(input)
    return columns === 1 ? [input.name] : placeholders(`${input.name}_`, columns)
  })
}

/** The one input; or several, each with features of its name, or with the next ones. */
function inputOf(
  inputs: readonly OnnxValue[],
  features: readonly string[],
): ModelDefinition['input'] {
  if (inputs.length <= 1) return inputs[0]?.name ?? ''
  const isNamed = inputs.every(({ name }) => features.includes(name))
  let next = 0
  const columns = inputs.map((input) => {
    const from = next
    next += columnsOf(input)
    return [input.name, isNamed ? [input.name] : features.slice(from, next)] as const
  })
  return Object.fromEntries(columns)
}

/**
 * The scores that a model probably returns, named after their tensors: those in the golden scores;
 * otherwise all float tensors; otherwise the first integer tensor. [N] and [N, 1] are one number;
 * the columns of [N, n] have the golden names, otherwise `c0`, `c1`, ….
 */
export function suggestOutputs(
  outputs: readonly OnnxValue[],
  golden: Golden | null,
  zipMap: ZipMap | null = null,
): Outputs {
  const readable = outputs.filter(({ type }) => isNumberType(type))
  const named = readable.filter((o) => goldenColumns(o.name, golden) !== null)
  const floats = readable.filter(({ type }) => type === 'float32' || type === 'float64')
  const tensors = [named, floats, readable.slice(0, 1)].find((some) => some.length > 0) ?? []
  return Object.fromEntries(
    tensors.map((o) => {
      const classes = zipMap?.tensor === o.name ? zipMap.classes : null
      return [o.name, suggestOutput(o, goldenColumns(o.name, golden) ?? classes)]
    }),
  )
}

function suggestOutput({ name, shape }: OnnxValue, columns: readonly string[] | null) {
  const width = typeof shape[1] === 'number' ? shape[1] : 1
  if (width === 1) return { tensor: name, column: 0 }
  return { tensor: name, columns: columns?.length === width ? columns : placeholders('c', width) }
}

/** Names in the golden file; empty: the output is one number; `null`: the file does not have it. */
function goldenColumns(output: string, golden: Golden | null): string[] | null {
  if (golden?.outputs.kind !== 'scores') return null
  const names = [...(golden.outputs.rows[0]?.keys() ?? [])]
  const columns = names.filter((name) => name.startsWith(`${output}.`))
  if (columns.length === 0 && !names.includes(output)) return null
  return columns.map((name) => name.slice(output.length + 1))
}

/** The outputs that are not tensors, declared so that the checks say how to export without them. */
function unreadable(outputs: readonly OnnxValue[]): Outputs {
  return asColumns(outputs.filter((o) => o.type === null))
}

function asColumns(outputs: readonly OnnxValue[]): Outputs {
  return Object.fromEntries(outputs.map(({ name }) => [name, { tensor: name, column: 0 }]))
}

function columnsOf(input: OnnxValue | undefined): number {
  const columns = input?.shape[1]
  return typeof columns === 'number' ? columns : 0
}

function placeholders(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i}`)
}

async function problemsOf(uncheckedModel: UncheckedModel): Promise<readonly TidemarkError[]> {
  try {
    const { runner } = await proveModel(uncheckedModel, openInline)
    await runner.close()
    return []
  } catch (error) {
    if (error instanceof Refused) return error.faults
    throw error
  }
}

interface SourceChoice {
  readonly name: string
  readonly version: string
  /** @default the golden file's */
  readonly features?: readonly string[]
  /** The URLs of the written file are relative to it. @default the model file's */
  readonly folder?: string
  readonly accuracy?: StatedAccuracy
}

const LINE = 100

/**
 * @throws TidemarkError `CONFIG_INVALID`: other features than it takes · `MODEL_OUTPUT`: no score
 */
export function modelSource(inspection: Inspection, choice: SourceChoice): string {
  const { file, url, goldenFile, sha256, inputs, suggested } = inspection
  if (Object.keys(suggested).length === 0) {
    throw new TidemarkError('MODEL_OUTPUT', 'no output of the model can be a score', {
      where: file,
      hint: inspection.problems[0]?.hint ?? 'a score is a tensor of numbers, [N] or [N, columns]',
    })
  }
  const { folder = url.protocol === 'file:' ? dirname(file) : '.' } = choice
  const features = featuresOf(inspection, choice)
  const model: Source = {
    name: quoted(choice.name),
    version: quoted(choice.version),
    file: urlOf(url, folder),
    // An alias may move.
    ...(url.pathname.includes('@') && url.protocol === 'models:' ? {} : { sha256: quoted(sha256) }),
    input: inputSource(inputOf(inputs, features)),
    features: features.map(quoted),
    outputs: outputsOf(suggested),
    ...(goldenFile === null ? {} : { golden: urlOf(pathToFileURL(goldenFile), folder) }),
    ...(choice.accuracy === undefined ? {} : { accuracy: accuracySource(choice.accuracy) }),
  }
  return `${headOf(inspection)}
import { onnxModel } from 'tidemark'

export const ${camelCase(choice.name)} = onnxModel(${broken(model, '')})
`
}

/** The text of a stated accuracy: `{ auc: 0.93, rows: 20_000 }`. */
export function accuracySource(accuracy: StatedAccuracy): string {
  const { measure, value } = measureOf(accuracy)
  const rows = String(accuracy.rows).replace(/\B(?=(\d{3})+$)/g, '_')
  return `{ ${measure}: ${value}, rows: ${rows} }`
}

function headOf({ file, goldenFile, suggested }: Inspection): string {
  const golden = goldenFile === null ? '' : ` --golden ${goldenFile}`
  const madeUp = Object.values(suggested).some((output) => output.columns?.[0] === 'c0')
  const yours = madeUp
    ? 'name the columns c0, c1, …, state accuracy, and edit nothing else'
    : 'state accuracy, and edit nothing else'
  return `// Written by \`tidemark model types ${file}${golden}\`; ${yours}.`
}

function featuresOf({ file, inputs, features }: Inspection, choice: SourceChoice) {
  const areNamed = inputs.length > 1 && inputs.every((input) => columnsOf(input) === 1)
  const names = choice.features ?? features ?? (areNamed ? inputs.map(({ name }) => name) : null)
  if (names === null) {
    throw configFault(
      'the names of the features are not in a model file',
      file,
      'give a golden file, --golden FILE, or the names in the order of the columns, --features a,b,c',
    )
  }
  const columns = inputs.reduce((sum, input) => sum + columnsOf(input), 0)
  if (columns > 0 && columns !== names.length) {
    const message = `${names.length} features are named, the model takes ${columns}`
    throw configFault(message, file, `named: ${names.join(', ')}`)
  }
  return names
}

function inputSource(input: ModelDefinition['input']): Source {
  if (typeof input === 'string') return quoted(input)
  return Object.fromEntries(Object.entries(input).map(([name, f]) => [name, f.map(quoted)]))
}

function outputsOf(outputs: Outputs): Source {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { tensor, column, columns }]): [string, Source] => [
      name,
      columns === undefined
        ? { tensor: quoted(tensor), column: String(column) }
        : { tensor: quoted(tensor), columns: columns.map(quoted) },
    ]),
  )
}

/** An expression's text, or a list or object of such texts. */
type Source = string | readonly Source[] | { readonly [property: string]: Source }

/** One line if it fits behind `before`, otherwise one item a line, as the formatter does. */
function written(source: Source, before: string): string {
  const line = flat(source)
  if (typeof source === 'string' || before.length + line.length + 1 <= LINE) return line
  return broken(source, /^ */.exec(before)?.[0] ?? '')
}

function flat(source: Source): string {
  if (typeof source === 'string') return source
  const items = itemsOf(source).map(([start, member]) => `${start}${flat(member)}`)
  return isList(source) ? `[${items.join(', ')}]` : `{ ${items.join(', ')} }`
}

function broken(source: Exclude<Source, string>, indent: string): string {
  const lines = itemsOf(source).map(([start, member]) => {
    const before = `${indent}  ${start}`
    return `${before}${written(member, before)},\n`
  })
  const [open, close] = isList(source) ? '[]' : '{}'
  return `${open}\n${lines.join('')}${indent}${close}`
}

/** The items of a list, or the properties of an object, each after its name. */
function itemsOf(source: Exclude<Source, string>): [start: string, Source][] {
  if (isList(source)) return source.map((member) => ['', member])
  return Object.entries(source).map(([name, member]) => [`${propertyName(name)}: `, member])
}

function isList(source: Exclude<Source, string>): source is readonly Source[] {
  return Array.isArray(source)
}

function urlOf(url: URL, folder: string): string {
  if (url.protocol !== 'file:') return `new URL(${quoted(url.href.replace(/#.*/, ''))})`
  const path = relative(folder, fileURLToPath(url)).split(sep).join('/')
  return `new URL(${quoted(path.startsWith('.') ? path : `./${path}`)}, import.meta.url)`
}

function quoted(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${escaped}'`
}

function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name)
}

function camelCase(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  const joined = words
    .map((word, i) => (i === 0 ? word : `${word[0]?.toUpperCase()}${word.slice(1)}`))
    .join('')
  return /^\d/.test(joined) ? `model${joined}` : joined
}
