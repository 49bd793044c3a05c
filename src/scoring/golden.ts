import { readFile } from 'node:fs/promises'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { shown } from './model-bytes.ts'

/** Input rows and the outputs that the model returned where it was trained. Missing is NaN. */
export interface Golden {
  readonly features: readonly string[]
  /** Of the model file that produced the outputs; `null`: not in the golden file. */
  readonly sha256: string | null
  /** Row-major float32[count, features]. */
  readonly rows: Float32Array
  readonly count: number
  readonly outputs: GoldenOutputs
  /**
   * How far an output may be off, as a fraction of its own size plus the largest of its column.
   */
  readonly tolerance: number
}

/**
 * The outputs of each row: a row of one tensor, or every score by the name that `scoreColumns`
 * gives it.
 */
type GoldenOutputs =
  | {
      readonly of: 'tensor'
      /** `null`: not in the golden file. */
      readonly tensor: string | null
      readonly rows: readonly (readonly number[])[]
    }
  | { readonly of: 'scores'; readonly rows: readonly ReadonlyMap<string, number>[] }

/** Allows for rounding on another machine. A golden file may set a larger one. */
const TOLERANCE = 1e-5
const MOST_TOLERANCE = 0.1

const FORMAT =
  'a golden file is JSON: { "features": [names], "inputs": [[number or null]], "output": tensor, "outputs": [[number or null]] }; or, without "output", each row of "outputs" is an object of scores: { "probability": number, "risk": { "low": number, … } }; "tolerance" says how much outputs may differ, if more than 1e-5 of their size'

/**
 * Reads a golden file.
 *
 * @throws TidemarkError `MODEL_GOLDEN` when the file cannot be read or is not a golden file
 */
export async function readGolden(file: URL, where: string): Promise<Golden> {
  try {
    return parseGolden(JSON.parse(new TextDecoder().decode(await readFile(file))))
  } catch (cause) {
    throw new TidemarkError('MODEL_GOLDEN', `golden rows ${shown(file)}: ${messageOf(cause)}`, {
      where,
      hint: FORMAT,
      cause,
    })
  }
}

function parseGolden(json: unknown): Golden {
  const { features, sha256, output, inputs, outputs, tolerance } = (json ?? {}) as Record<
    string,
    unknown
  >
  if (!isArrayOf(features, isText)) throw new Error('"features" is not a list of names')
  if (!Array.isArray(inputs) || inputs.length === 0) throw new Error('"inputs" holds no rows')
  if (!Array.isArray(outputs) || outputs.length !== inputs.length) {
    throw new Error(`"outputs" does not hold ${inputs.length} rows, as "inputs" does`)
  }
  const rows = new Float32Array(inputs.length * features.length)
  for (const [i, input] of inputs.entries()) {
    const row = numbers(input, `row ${i} of "inputs"`)
    if (row.length !== features.length)
      throw new Error(
        `row ${i} of "inputs" has ${row.length} numbers for ${features.length} features`,
      )
    rows.set(row, i * features.length)
  }
  return {
    features,
    sha256: isText(sha256) ? sha256.toLowerCase() : null,
    rows,
    count: inputs.length,
    outputs: parseOutputs(outputs, isText(output) ? output : null),
    tolerance: parseTolerance(tolerance),
  }
}

function parseTolerance(tolerance: unknown): number {
  if (tolerance === undefined) return TOLERANCE
  const isWider =
    typeof tolerance === 'number' && tolerance >= TOLERANCE && tolerance <= MOST_TOLERANCE
  if (isWider) return tolerance
  throw new Error(`"tolerance" is not a number from ${TOLERANCE} to ${MOST_TOLERANCE}`)
}

/** The first row decides the form of all of them. */
function parseOutputs(rows: readonly unknown[], tensor: string | null): GoldenOutputs {
  const what = (i: number) => `row ${i} of "outputs"`
  if (isObject(rows[0])) return { of: 'scores', rows: rows.map((row, i) => scores(row, what(i))) }
  const listed = rows.map((row, i) => numbers(Array.isArray(row) ? row : [row], what(i)))
  return { of: 'tensor', tensor, rows: listed }
}

function scores(row: unknown, what: string): Map<string, number> {
  if (!isObject(row)) throw new Error(`${what} is not an object, as row 0 is`)
  const named = Object.entries(row).flatMap(([name, value]) =>
    isObject(value)
      ? Object.entries(value).map(([column, v]) => [`${name}.${column}`, v] as const)
      : [[name, value] as const],
  )
  const values = numbers(
    named.map(([, value]) => value),
    what,
  )
  return new Map(named.map(([name], i) => [name, values[i] as number]))
}

function numbers(list: unknown, what: string): number[] {
  if (!isArrayOf(list, (v) => v === null || typeof v === 'number'))
    throw new Error(`${what} is not a list of numbers`)
  return list.map((value) => value ?? Number.NaN)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isArrayOf<T>(list: unknown, is: (value: unknown) => value is T): list is T[] {
  return Array.isArray(list) && list.every(is)
}
