import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { Line } from './lines.ts'
import { valueAt } from './value-at.ts'

/** How labelled rows are read. */
export interface RowFormat {
  /** Of the file, for its faults. */
  readonly file: string
  /** The features of the model, in order. */
  readonly features: readonly string[]
  /** Path of the label. */
  readonly label: string
  /** What is wrong with a label; `null`: nothing. */
  readonly labelFault: (label: unknown) => string | null
}

/** Rows of a file with their labels. */
export interface LabelledRows {
  /** Row-major float32[count, features]. */
  readonly rows: Float32Array
  readonly labels: readonly unknown[]
  readonly count: number
}

/** One line: the features by name, at the top or in `features`, where they may also be a list. */
type Row = Readonly<Record<string, unknown>>

/**
 * Reads rows from lines of JSON. Lines that are none are left out and added to `faults`:
 * `CONFIG_INVALID`, with the number of the line.
 */
export function readRows(
  lines: readonly Line[],
  format: RowFormat,
  faults: TidemarkError[],
): LabelledRows {
  const width = format.features.length
  const rows = new Float32Array(lines.length * width)
  const labels: unknown[] = []
  for (const line of lines) {
    try {
      const row = parsed(line)
      const label = labelOf(row, format)
      writeFeatures(row, format, rows.subarray(labels.length * width))
      labels.push(label)
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error
      const { code, message, hint } = error
      const where = `${format.file}:${line.number}`
      faults.push(
        new TidemarkError(code, message, hint === undefined ? { where } : { where, hint }),
      )
    }
  }
  return { rows, labels, count: labels.length }
}

function parsed({ bytes }: Line): Row {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString())
  } catch (cause) {
    throw fault(`the line is not JSON: ${messageOf(cause)}`)
  }
  if (isObject(json)) return json
  throw fault('the line is not a JSON object')
}

function labelOf(row: Row, { label: path, labelFault }: RowFormat): unknown {
  const label = valueAt(row, path)
  if (label === undefined) {
    throw fault(`there is no label "${path}"`, `the line has ${Object.keys(row).join(', ')}`)
  }
  const wrong = labelFault(label)
  if (wrong !== null) throw fault(`label ${JSON.stringify(label)} ${wrong}`)
  return label
}

function writeFeatures(row: Row, { features }: RowFormat, into: Float32Array): void {
  const { features: inside } = row
  if (Array.isArray(inside) && inside.length !== features.length) {
    throw fault(`there are ${inside.length} features, the model takes ${features.length}`)
  }
  for (const [i, name] of features.entries()) {
    const given = Array.isArray(inside) ? inside[i] : (isObject(inside) ? inside : row)[name]
    into[i] = featureOf(name, given)
  }
}

const HINT =
  'a feature without a value is null; a line may also have them as a list, in the order of the model: { "features": [1, 2], … }'

/** `null` is a missing value, NaN. */
function featureOf(name: string, given: unknown): number {
  if (given === null) return Number.NaN
  if (given === undefined) {
    throw fault(`there is no feature "${name}"`, HINT)
  }
  if (typeof given !== 'number') {
    throw fault(`feature "${name}" is ${JSON.stringify(given)}, not a number or null`)
  }
  if (Number.isFinite(Math.fround(given))) return given
  throw fault(`feature "${name}" is ${given}, which a float32 cannot hold`)
}

function isObject(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fault(message: string, hint?: string): TidemarkError {
  return new TidemarkError('CONFIG_INVALID', message, hint === undefined ? {} : { hint })
}
