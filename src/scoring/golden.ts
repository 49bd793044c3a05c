import { readFile } from 'node:fs/promises'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'
import { shown } from './model-files.ts'
import type { Runner } from './runner.ts'
import { scoreColumns } from './scorer.ts'

/** Input rows, and the outputs that the model returned where it was trained. Missing is NaN. */
export interface Golden {
  readonly features: readonly string[]
  /** Hash of the model that gave the outputs; `null`: not in the golden file. */
  readonly sha256: string | null
  /** Row-major float32[count, features]. */
  readonly rows: Float32Array
  readonly count: number
  readonly outputs: GoldenOutputs
  /** How far an output may be off, as a fraction of its own size plus the largest of its column. */
  readonly tolerance: number
}

type GoldenOutputs =
  | {
      readonly kind: 'tensor'
      readonly tensor: string | null
      readonly rows: readonly (readonly number[])[]
    }
  | { readonly kind: 'scores'; readonly rows: readonly ReadonlyMap<string, number>[] }

/** Rounding on another machine; a golden file may allow more. */
export const TOLERANCE = 1e-5
const MOST_TOLERANCE = 0.1

const FORMAT =
  'a golden file is JSON: { "features": [names], "inputs": [[number or null]], "output": tensor, "outputs": [[number or null]] }; or, without "output", each row of "outputs" is an object of scores: { "probability": number, "risk": { "low": number, … } }; "tolerance" says how much outputs may differ, if more than 1e-5 of their size'

/** @throws TidemarkError `MODEL_GOLDEN` */
export async function readGolden(file: URL, where: string): Promise<Golden> {
  try {
    return parseGolden(JSON.parse(new TextDecoder().decode(await readFile(file))))
  } catch (cause) {
    const message = `golden rows ${shown(file)}: ${messageOf(cause)}`
    throw new TidemarkError('MODEL_GOLDEN', message, { where, hint: FORMAT, cause })
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

function parseOutputs(rows: readonly unknown[], tensor: string | null): GoldenOutputs {
  const describeRow = (i: number) => `row ${i} of "outputs"`
  if (isObject(rows[0]))
    return { kind: 'scores', rows: rows.map((row, i) => namedScores(row, describeRow(i))) }
  const listed = rows.map((row, i) => numbers(Array.isArray(row) ? row : [row], describeRow(i)))
  return { kind: 'tensor', tensor, rows: listed }
}

function namedScores(row: unknown, place: string): Map<string, number> {
  if (!isObject(row)) throw new Error(`${place} is not an object, as row 0 is`)
  const named = Object.entries(row).flatMap(([name, value]) =>
    isObject(value)
      ? Object.entries(value).map(([column, v]) => [`${name}.${column}`, v] as const)
      : [[name, value] as const],
  )
  const listed = named.map(([, value]) => value)
  const values = numbers(listed, place)
  return new Map(named.map(([name], i) => [name, values[i] as number]))
}

function numbers(list: unknown, place: string): number[] {
  if (!isArrayOf(list, (v) => v === null || typeof v === 'number'))
    throw new Error(`${place} is not a list of numbers`)
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

/** How many golden rows run at once, if a row's scores do not depend on other rows. */
const BATCH = 256
/** A difference below this is rounding, however small the scores are. */
const LEAST_TOLERANCE = 1e-9

export interface GoldenCheck {
  readonly model: ModelDefinition
  /** `null`: a fault says already that it is the wrong file. */
  readonly sha256: string | null
  readonly where: string
}

export function goldenFaults(golden: Golden, check: GoldenCheck): TidemarkError[] {
  const { model, sha256 } = check
  const faults: TidemarkError[] = []
  const difference = firstDifference(golden.features, model.features)
  if (difference !== null) {
    const message = `their features are not the model's: ${difference}`
    const hint =
      'names and order decide which number the model reads: write both with `tidemark model types`'
    faults.push(fault(check, message, hint))
  }
  if (golden.sha256 !== null && sha256 !== null && golden.sha256 !== sha256) {
    const message = `they are of a model file with sha256 ${golden.sha256.slice(0, 12)}, this one has ${sha256.slice(0, 12)}`
    faults.push(fault(check, message, 'ship a model together with its own golden file'))
  }
  const compared = comparedScores(golden, model)
  if (compared.length === 0 && golden.outputs.kind === 'tensor') {
    const tensors = new Set(scoreColumns(model.outputs).map((c) => c.tensor))
    const message = `their output "${golden.outputs.tensor}" is none of the tensors declared: ${[...tensors].join(', ')}`
    faults.push(fault(check, message, 'name the tensor as "output" in the golden file'))
  }
  for (const { description, wanted } of compared) {
    const short = golden.outputs.rows.findIndex((_, row) => wanted(row) === undefined)
    if (short < 0) continue
    const hint = 'write whole rows of the tensor, or every score of a row under its name'
    faults.push(fault(check, `row ${short} of the outputs has no ${description}`, hint))
  }
  return faults
}

/** Runs all golden rows and compares the outputs. The rows must have no {@link goldenFaults}. */
export async function goldenDifferences(
  golden: Golden,
  { runner, atMost }: { readonly runner: Runner; readonly atMost: number },
  check: GoldenCheck,
): Promise<TidemarkError[]> {
  const compared = comparedScores(golden, check.model)
  const batch = Math.min(atMost, BATCH)
  const { rows, count, features } = golden
  const width = features.length
  const wrong: string[] = []
  for (let from = 0; from < count; from += batch) {
    const to = Math.min(from + batch, count)
    const scores = await runner.run(rows.subarray(from * width, to * width), to - from)
    for (let row = from; row < to; row++) {
      for (const { name, index, wanted, largest } of compared) {
        const got = scores[index]?.[row - from] as number
        const expected = wanted(row) as number
        if (!isClose(got, expected, golden.tolerance * (Math.abs(expected) + largest)))
          wrong.push(`row ${row} gives ${name} = ${got}, golden is ${expected}`)
      }
    }
  }
  if (wrong.length === 0) return []
  const message = `${wrong.length} of ${count * compared.length} outputs differ by more than ${golden.tolerance} of their size; ${wrong[0]}`
  const hint =
    'is it another model, or are features or outputs in another order? compare with the runtime that wrote the golden file'
  return [fault(check, message, hint)]
}

/** Compares as float32, because either side may have been shortened to fewer decimal digits. */
function isClose(got: number, expected: number, tolerance: number): boolean {
  const [a, b] = [Math.fround(got), Math.fround(expected)]
  return Object.is(a, b) || Math.abs(a - b) <= Math.max(tolerance, LEAST_TOLERANCE)
}

function fault({ model, where }: GoldenCheck, message: string, hint: string): TidemarkError {
  const whole = `golden rows of ${model.name}@${model.version}: ${message}`
  return new TidemarkError('MODEL_GOLDEN', whole, { where, hint })
}

/** The scores that both have, each with those of the file; `undefined`: it has none for a row. */
function comparedScores({ outputs, count }: Golden, model: ModelDefinition) {
  const declared = scoreColumns(model.outputs)
  /** The scale of the tolerance for scores around 0. */
  const largestOf = (wanted: (row: number) => number | undefined) => {
    const all = Array.from({ length: count }, (_, row) => Math.abs(wanted(row) ?? 0))
    return Math.max(...all.filter(Number.isFinite), 0)
  }
  if (outputs.kind === 'scores') {
    return declared.map(({ name }, index) => {
      const wanted = (row: number) => outputs.rows[row]?.get(name)
      return { name, index, description: `"${name}"`, wanted, largest: largestOf(wanted) }
    })
  }
  const only = new Set(declared.map((c) => c.tensor)).size === 1 ? declared[0]?.tensor : undefined
  return declared.flatMap(({ name, tensor, column }, index) => {
    if (tensor !== (outputs.tensor ?? only)) return []
    const description = `column ${column}, which "${name}" is`
    const wanted = (row: number) => outputs.rows[row]?.[column]
    return [{ name, index, description, wanted, largest: largestOf(wanted) }]
  })
}

function firstDifference(golden: readonly string[], model: readonly string[]): string | null {
  const longer = golden.length > model.length ? golden : model
  const i = longer.findIndex((_, at) => golden[at] !== model[at])
  if (i < 0) return null
  return `the first difference is at ${i + 1}, "${golden[i] ?? 'nothing'}" instead of "${model[i] ?? 'nothing'}"`
}
