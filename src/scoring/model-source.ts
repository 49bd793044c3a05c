import { dirname, relative, sep } from 'node:path'
import { TidemarkError } from '../kernel/errors.ts'
import type { Inspection, Outputs } from './model-file.ts'

export interface SourceChoice {
  /** Of the model; the constant is its camel case. */
  readonly name: string
  readonly version: string
  /** In the order of the input's columns. @default the golden file's */
  readonly features?: readonly string[]
  /** Folder that the text will stand in; its URLs are relative to it. @default the model file's */
  readonly folder?: string
}

/** A line longer than this is broken. */
const LINE = 100

/**
 * The text of a `.model.ts`: the definition of a model that was looked at.
 *
 * @throws TidemarkError `CONFIG_INVALID` when the features' names are unknown, or are more or fewer than the model takes ·
 * `MODEL_OUTPUT` when no output can be a score
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
  const golden = goldenFile === null ? '' : ` --golden ${goldenFile}`
  const lines = [
    `// Written by \`tidemark model types ${file}${golden}\`; do not edit.`,
    "import { onnxModel } from 'tidemark'",
    '',
    `export const ${camelCase(choice.name)} = onnxModel({`,
    `  name: ${quoted(choice.name)},`,
    `  version: ${quoted(choice.version)},`,
    `  file: ${urlOf(file, folder)},`,
    `  sha256: ${quoted(sha256)},`,
    `  input: ${quoted(inputs[0]?.name ?? '')},`,
    listOf('features', '[]', featuresOf(inspection, choice).map(quoted)),
    listOf('outputs', '{}', outputsOf(suggested)),
    ...(goldenFile === null ? [] : [`  golden: ${urlOf(goldenFile, folder)},`]),
    '})',
    '',
  ]
  return lines.join('\n')
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

function outputsOf(outputs: Outputs): string[] {
  return Object.entries(outputs).map(([name, { tensor, column }]) => {
    return `${propertyName(name)}: { tensor: ${quoted(tensor)}, column: ${column} }`
  })
}

/** A property on one line if it fits, else an item a line. */
function listOf(name: string, brackets: '[]' | '{}', items: readonly string[]): string {
  const [open, end] = brackets
  const space = brackets === '{}' ? ' ' : ''
  const line = `  ${name}: ${open}${space}${items.join(', ')}${space}${end},`
  if (line.length <= LINE) return line
  return [`  ${name}: ${open}`, ...items.map((item) => `    ${item},`), `  ${end},`].join('\n')
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
