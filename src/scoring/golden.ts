import { readFile } from 'node:fs/promises'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/definition.ts'
import { shown } from './model-bytes.ts'
import type { Runner } from './runner.ts'

/** Rows and the outputs they gave where the model was trained. Missing values are NaN. */
export interface Golden {
  readonly features: readonly string[]
  /** Of the model that gave the outputs; `null`: the file does not say. */
  readonly sha256: string | null
  /** The tensor the outputs were read from; `null`: the file does not say. */
  readonly output: string | null
  /** Row-major, one column a feature. */
  readonly rows: Float32Array
  readonly count: number
  /** A row of the tensor for each row. */
  readonly outputs: readonly (readonly number[])[]
}

/** Largest difference from a golden output that is taken for another machine's rounding. */
const TOLERANCE = 1e-4
/** Rows that are run at once. */
const BATCH = 256

/** @throws TidemarkError `MODEL_GOLDEN` when the file cannot be read or is not a golden file */
export async function readGolden(file: URL, where: string): Promise<Golden> {
  try {
    return parseGolden(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    throw new TidemarkError('MODEL_GOLDEN', `golden rows ${shown(file)}: ${messageOf(cause)}`, {
      where,
      hint: 'a golden file is JSON: { "features": [names], "output": tensor, "inputs": [[number or null]], "outputs": [[number or null]] }',
      cause,
    })
  }
}

function parseGolden(json: unknown): Golden {
  const { features, sha256, output, inputs, outputs } = (json ?? {}) as Record<string, unknown>
  if (!isArrayOf(features, isText)) throw new Error('"features" is not a list of names')
  if (!Array.isArray(inputs) || inputs.length === 0) throw new Error('"inputs" holds no rows')
  if (!Array.isArray(outputs) || outputs.length !== inputs.length) {
    throw new Error(`"outputs" does not hold ${inputs.length} rows, as "inputs" does`)
  }
  const rows = new Float32Array(inputs.length * features.length)
  inputs.forEach((input: unknown, i) => {
    const row = numbers(input, `row ${i} of "inputs"`)
    if (row.length !== features.length)
      throw new Error(
        `row ${i} of "inputs" has ${row.length} numbers for ${features.length} features`,
      )
    rows.set(row, i * features.length)
  })
  return {
    features,
    sha256: isText(sha256) ? sha256.toLowerCase() : null,
    output: isText(output) ? output : null,
    rows,
    count: inputs.length,
    outputs: outputs.map((row: unknown, i) =>
      numbers(Array.isArray(row) ? row : [row], `row ${i} of "outputs"`),
    ),
  }
}

function numbers(list: unknown, what: string): number[] {
  if (!isArrayOf(list, (v) => v === null || typeof v === 'number'))
    throw new Error(`${what} is not a list of numbers`)
  return list.map((value) => value ?? Number.NaN)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isArrayOf<T>(list: unknown, is: (value: unknown) => value is T): list is T[] {
  return Array.isArray(list) && list.every(is)
}

/** What a golden file is checked against. */
export interface GoldenCheck {
  readonly model: ModelDefinition
  /** Of the model file; `null`: it is the wrong file, and the golden rows need not say so once more. */
  readonly sha256: string | null
  readonly where: string
}

/** Whether the golden rows are of this model at all, before anything is run. */
export function goldenFaults(golden: Golden, check: GoldenCheck): TidemarkError[] {
  const { model, sha256 } = check
  const faults: TidemarkError[] = []
  const difference = firstDifference(golden.features, model.features)
  if (difference !== null) {
    faults.push(
      fault(
        check,
        `its features are not the model's: ${difference}`,
        'names and order decide which number the model reads: write both with `tidemark model types`',
      ),
    )
  }
  if (golden.sha256 !== null && sha256 !== null && golden.sha256 !== sha256) {
    const message = `it is of a file with sha256 ${golden.sha256.slice(0, 12)}, this one has ${sha256.slice(0, 12)}`
    faults.push(fault(check, message, 'ship a model together with its own golden file'))
  }
  const compared = comparedOutputs(golden, model)
  if (compared.length === 0) {
    const tensors = Object.values(model.outputs).map((o) => o.tensor)
    faults.push(
      fault(
        check,
        `its output "${golden.output}" is none of the tensors declared: ${tensors.join(', ')}`,
        'name the tensor as "output" in the golden file',
      ),
    )
  }
  for (const { name, column } of compared) {
    const short = golden.outputs.findIndex((row) => row.length <= column)
    if (short >= 0)
      faults.push(
        fault(
          check,
          `row ${short} of its outputs has no column ${column}, which "${name}" is`,
          'write whole rows of the tensor',
        ),
      )
  }
  return faults
}

/** Runs the golden rows. `runner` gives the outputs of the model in the order they are declared. */
export async function goldenDifferences(
  golden: Golden,
  runner: Runner,
  check: GoldenCheck,
): Promise<TidemarkError[]> {
  const compared = comparedOutputs(golden, check.model)
  const width = golden.features.length
  const wrong: string[] = []
  for (let from = 0; from < golden.count; from += BATCH) {
    const to = Math.min(from + BATCH, golden.count)
    const scores = await runner.run(golden.rows.subarray(from * width, to * width), to - from)
    for (let row = from; row < to; row++) {
      const expected = golden.outputs[row] as readonly number[]
      for (const { name, index, column } of compared) {
        const got = scores[index]?.[row - from] as number
        const wanted = expected[column] as number
        if (!close(got, wanted))
          wrong.push(`row ${row} gives ${name} = ${got}, golden is ${wanted}`)
      }
    }
  }
  if (wrong.length === 0) return []
  const message = `${wrong.length} of ${golden.count * compared.length} outputs differ by more than ${TOLERANCE}; ${wrong[0]}`
  return [
    fault(
      check,
      message,
      'another model, or features or outputs in another order? compare with the runtime that wrote the golden file',
    ),
  ]
}

function close(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= TOLERANCE
}

function fault({ model, where }: GoldenCheck, message: string, hint: string): TidemarkError {
  return new TidemarkError(
    'MODEL_GOLDEN',
    `golden rows of ${model.name}@${model.version}: ${message}`,
    { where, hint },
  )
}

/** The declared outputs that the golden outputs speak of, with their place among the declared. */
function comparedOutputs(
  golden: Golden,
  model: ModelDefinition,
): { name: string; index: number; column: number }[] {
  const declared = Object.entries(model.outputs).map(([name, { tensor, column }], index) => ({
    name,
    tensor,
    index,
    column,
  }))
  const only = new Set(declared.map((o) => o.tensor)).size === 1 ? declared[0]?.tensor : undefined
  const tensor = golden.output ?? only
  return declared.filter((o) => o.tensor === tensor)
}

function firstDifference(golden: readonly string[], model: readonly string[]): string | null {
  for (let i = 0; i < Math.max(golden.length, model.length); i++) {
    if (golden[i] !== model[i]) {
      return `the first difference is at ${i + 1}, "${golden[i] ?? 'nothing'}" for "${model[i] ?? 'nothing'}"`
    }
  }
  return null
}
