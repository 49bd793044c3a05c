import { dirname, relative, sep } from 'node:path'
import { TidemarkError } from '../kernel/errors.ts'
import { measureOf, type StatedAccuracy } from '../topology/models.ts'
import type { Inspection, Outputs } from './model-file.ts'

/** What the text of a `.model.ts` needs beyond the inspected file. */
export interface SourceChoice {
  /** Of the model; the constant has this name in camel case. */
  readonly name: string
  readonly version: string
  /** In the order of the input's columns. @default the golden file's */
  readonly features?: readonly string[]
  /** Folder of the file to write; its URLs are relative to it. @default the model file's */
  readonly folder?: string
  /** @default not stated */
  readonly accuracy?: StatedAccuracy
}

/** Lines longer than this are broken. */
const LINE = 100

/**
 * The text of a `.model.ts`: the definition of an inspected model.
 *
 * @throws TidemarkError `CONFIG_INVALID` when the features' names are unknown, or are more or fewer
 * than the model takes · `MODEL_OUTPUT` when no output can be a score
 */
export function modelSource(inspection: Inspection, choice: SourceChoice): string {
  const { file, goldenFile, sha256, inputs, suggested } = inspection
  if (Object.keys(suggested).length === 0) {
    throw new TidemarkError('MODEL_OUTPUT', 'no output of the model can be a score', {
      where: file,
      hint: inspection.problems[0]?.hint ?? 'a score is a tensor of numbers, [N] or [N, columns]',
    })
  }
  const folder = choice.folder ?? dirname(file)
  const model: Source = {
    name: quoted(choice.name),
    version: quoted(choice.version),
    file: urlOf(file, folder),
    sha256: quoted(sha256),
    input: quoted(inputs[0]?.name ?? ''),
    features: featuresOf(inspection, choice).map(quoted),
    outputs: outputsOf(suggested),
    ...(goldenFile === null ? {} : { golden: urlOf(goldenFile, folder) }),
    ...(choice.accuracy === undefined ? {} : { accuracy: accuracySource(choice.accuracy) }),
  }
  return `${headOf(inspection)}
import { onnxModel } from 'tidemark'

export const ${camelCase(choice.name)} = onnxModel(${broken(model, '')})
`
}

/** A stated accuracy as in the text of a `.model.ts`: `{ auc: 0.93, rows: 20_000 }`. */
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

function featuresOf(
  { file, inputs, features }: Inspection,
  choice: SourceChoice,
): readonly string[] {
  const names = choice.features ?? features
  if (names === null) {
    throw new TidemarkError('CONFIG_INVALID', 'the names of the features are not in a model file', {
      where: file,
      hint: 'give a golden file, --golden FILE, or the names in the order of the columns, --features a,b,c',
    })
  }
  const columns = inputs[0]?.shape[1]
  if (typeof columns === 'number' && columns !== names.length) {
    throw new TidemarkError(
      'CONFIG_INVALID',
      `${names.length} features are named, the model takes ${columns}`,
      { where: file, hint: `named: ${names.join(', ')}` },
    )
  }
  return names
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

/** The text of an expression, or a list or object of such texts. */
type Source = string | readonly Source[] | { readonly [property: string]: Source }

/**
 * One line if it fits after the text that is already on it, otherwise one item a line, as the
 * formatter does.
 */
function written(source: Source, before: string): string {
  const line = flat(source)
  if (typeof source === 'string' || before.length + line.length + 1 <= LINE) return line
  return broken(source, /^ */.exec(before)?.[0] ?? '')
}

function flat(source: Source): string {
  if (typeof source === 'string') return source
  if (isList(source)) return `[${source.map(flat).join(', ')}]`
  const properties = Object.entries(source).map(
    ([name, of]) => `${propertyName(name)}: ${flat(of)}`,
  )
  return `{ ${properties.join(', ')} }`
}

function broken(source: Exclude<Source, string>, indent: string): string {
  const inner = `${indent}  `
  if (isList(source)) {
    return `[\n${source.map((item) => `${inner}${written(item, inner)},\n`).join('')}${indent}]`
  }
  const properties = Object.entries(source).map(([name, of]) => {
    const start = `${inner}${propertyName(name)}: `
    return `${start}${written(of, start)},\n`
  })
  return `{\n${properties.join('')}${indent}}`
}

function isList(source: Exclude<Source, string>): source is readonly Source[] {
  return Array.isArray(source)
}

function urlOf(file: string, folder: string): string {
  const path = relative(folder, file).split(sep).join('/')
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
